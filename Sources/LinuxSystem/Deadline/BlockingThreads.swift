import SystemPackage

/// Threads for `BlockingCall`: made when needed, kept for a while when idle, left behind when their call hangs.
package final class BlockingThreads: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.

  /// One call. Its flags belong to the pool's lock.
  package final class Job: @unchecked Sendable {
    // SAFETY (Sendable): `work` never changes, `phase` is touched only under the pool's lock.
    fileprivate enum Phase { case waiting, running, abandoned, done }
    fileprivate let work: @Sendable () -> Void
    fileprivate var phase = Phase.waiting
    package init(_ work: @escaping @Sendable () -> Void) { self.work = work }
  }

  /// The pool has left behind as many threads as it may.
  package struct TooManyAbandoned: Error { package var count: Int }

  /// Of the process: sized for a node with some hundred volumes, all of them dead.
  package static let shared = BlockingThreads(maximumRunning: 64, maximumAbandoned: 128)

  /// Tells the calls of this pool when their time is over.
  let deadlines = DeadlineWatch()

  private let maximumRunning: Int
  private let maximumAbandoned: Int
  private let monitor: Monitor
  private let wakeUp: Condition
  private var waiting: [Job] = []
  private var threads = 0
  private var idle = 0
  private var abandoned = 0

  /// How long a thread stays without a call.
  private static let idleTime: Duration = .seconds(10)
  /// Bytes; the calls are shallow.
  private static let stackSize = 512 << 10

  /// - Parameters:
  ///   - maximumRunning: calls beyond it wait in line; abandoned ones do not count.
  ///   - maximumAbandoned: no further call is accepted while so many hang.
  package init(maximumRunning: Int, maximumAbandoned: Int) {
    self.maximumRunning = maximumRunning
    self.maximumAbandoned = maximumAbandoned
    monitor = Monitor()
    wakeUp = Condition(of: monitor)
  }

  /// Calls that hang now.
  package var abandonedCount: Int { monitor.locked { abandoned } }

  func submit(_ job: Job) throws(TooManyAbandoned) {
    let (refused, startsThread) = monitor.locked { () -> (Int?, Bool) in
      if abandoned >= maximumAbandoned { return (abandoned, false) }
      waiting.append(job)
      if idle >= waiting.count {
        wakeUp.signal()
        return (nil, false)
      }
      guard threads - abandoned < maximumRunning else { return (nil, false) }
      threads += 1
      return (nil, true)
    }
    if let refused { throw TooManyAbandoned(count: refused) }
    if startsThread { startThread() }
  }

  /// Takes a waiting job out of the line, or gives up the thread that runs it.
  func abandon(_ job: Job) {
    let startsThread = monitor.locked { () -> Bool in
      switch job.phase {
      case .waiting:
        waiting.removeAll { $0 === job }
        job.phase = .done
        return false
      case .running:
        job.phase = .abandoned
        abandoned += 1
        // Its place goes to the next in line.
        guard waiting.count > idle, threads - abandoned < maximumRunning else { return false }
        threads += 1
        return true
      case .abandoned, .done: return false
      }
    }
    if startsThread { startThread() }
  }

  private func startThread() {
    do throws(Errno) {
      try DetachedThread.start(name: "blocking-call", stackSize: Self.stackSize) { self.serve() }
    } catch {
      // Out of threads: the job waits for one that comes free, or for its deadline.
      monitor.locked { threads -= 1 }
    }
  }

  private func serve() {
    while let job = next() {
      job.work()
      monitor.locked {
        if job.phase == .abandoned { abandoned -= 1 }
        job.phase = .done
      }
    }
  }

  /// The next job; nil when none came for a while, and then the thread is no longer counted.
  private func next() -> Job? {
    monitor.locked {
      let end = Deadline.after(Self.idleTime)
      while waiting.isEmpty {
        // More threads than places, after abandoned calls came back.
        if threads - abandoned > maximumRunning { break }
        idle += 1
        let wasSignalled = wakeUp.wait(until: end)
        idle -= 1
        if !wasSignalled { break }
      }
      guard !waiting.isEmpty, threads - abandoned <= maximumRunning else {
        threads -= 1
        return nil
      }
      let job = waiting.removeFirst()
      job.phase = .running
      return job
    }
  }
}
