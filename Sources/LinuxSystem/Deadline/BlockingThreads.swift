internal import CLinux
import Glibc

/// Threads for `BlockingCall`: made when needed, kept for a while when idle, left behind when their call hangs.
package final class BlockingThreads: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `mutex`.

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
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
  private var waiting: [Job] = []
  private var threads = 0
  private var idle = 0
  private var abandoned = 0

  /// Seconds after which an idle thread ends.
  private static let idleSeconds = 10
  /// Bytes; the calls are shallow.
  private static let stackSize = 512 << 10

  /// - Parameters:
  ///   - maximumRunning: calls beyond it wait in line; abandoned ones do not count.
  ///   - maximumAbandoned: no further call is accepted while so many hang.
  package init(maximumRunning: Int, maximumAbandoned: Int) {
    self.maximumRunning = maximumRunning
    self.maximumAbandoned = maximumAbandoned
    mutex = .allocate(capacity: 1)
    wakeUp = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(wakeUp, nil)
  }

  deinit {
    // Every thread holds the pool, so none is left here.
    pthread_cond_destroy(wakeUp)
    pthread_mutex_destroy(mutex)
    wakeUp.deallocate()
    mutex.deallocate()
  }

  /// Calls that hang now.
  package var abandonedCount: Int { locked { abandoned } }

  func submit(_ job: Job) throws(TooManyAbandoned) {
    let (refused, startsThread) = locked { () -> (Int?, Bool) in
      if abandoned >= maximumAbandoned { return (abandoned, false) }
      waiting.append(job)
      if idle >= waiting.count {
        pthread_cond_signal(wakeUp)
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
    let startsThread = locked { () -> Bool in
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
    let context = Unmanaged.passRetained(self)
    let result = clinux_start_detached_thread(
      Self.stackSize,
      { context in
        guard let context else { return nil }
        Unmanaged<BlockingThreads>.fromOpaque(context).takeRetainedValue().serve()
        return nil
      }, context.toOpaque())
    if result != 0 {
      // Out of threads: the job waits for one that comes free, or for its deadline.
      context.release()
      locked { threads -= 1 }
    }
  }

  private func serve() {
    ProcessAttributes.setThreadName("blocking-call")
    while let job = next() {
      job.work()
      locked {
        if job.phase == .abandoned { abandoned -= 1 }
        job.phase = .done
      }
    }
  }

  /// The next job; nil when none came for a while, and then the thread is no longer counted.
  private func next() -> Job? {
    locked {
      var end = timespec()
      clock_gettime(CLOCK_REALTIME, &end)
      end.tv_sec += Self.idleSeconds
      while waiting.isEmpty {
        // More threads than places, after abandoned calls came back.
        if threads - abandoned > maximumRunning { break }
        idle += 1
        let result = pthread_cond_timedwait(wakeUp, mutex, &end)
        idle -= 1
        if result == ETIMEDOUT { break }
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

  private func locked<Value>(_ body: () -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
}
