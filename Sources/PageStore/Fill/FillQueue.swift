import LinuxSystem
import SystemPackage

/// What waits to be written, in order, bounded in bytes; and the threads that write it.
final class FillQueue: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.

  private struct Job {
    var bytes: Int
    var work: @Sendable () -> Void
  }

  private static let idleTime: Duration = .seconds(10)

  private let maximumBytes: Int
  private let maximumThreads: Int
  private let monitor: Monitor
  private let wakeUp: Condition
  private let isEmpty: Condition
  private var jobs: [Job] = []
  private var bytes = 0
  private var running = 0
  private var threads = 0
  private var idle = 0

  init(maximumBytes: Int, maximumThreads: Int) {
    self.maximumBytes = maximumBytes
    self.maximumThreads = maximumThreads
    monitor = Monitor()
    wakeUp = Condition(of: monitor)
    isEmpty = Condition(of: monitor)
  }

  /// Whether so many bytes would be refused.
  func isFull(for count: Int) -> Bool { monitor.locked { bytes + count > maximumBytes } }

  /// - Returns: false when too much waits already, and nothing was added.
  func add(bytes count: Int, _ work: @escaping @Sendable () -> Void) -> Bool {
    let (isAdded, needsThread) = monitor.locked { () -> (Bool, Bool) in
      guard bytes + count <= maximumBytes else { return (false, false) }
      bytes += count
      jobs.append(Job(bytes: count, work: work))
      wakeUp.signal()
      let needsThread = idle < jobs.count && threads < maximumThreads
      if needsThread { threads += 1 }
      return (true, needsThread)
    }
    if needsThread { startThread() }
    return isAdded
  }

  /// Waits until all is done that was added. - Returns: false when the deadline passed first.
  func drain(until deadline: Deadline) -> Bool {
    monitor.locked {
      while !jobs.isEmpty || running > 0 {
        if !isEmpty.wait(until: deadline) { return jobs.isEmpty && running == 0 }
      }
      return true
    }
  }

  private func startThread() {
    do throws(Errno) {
      try DetachedThread.start(name: "page-fill", stackSize: 512 << 10) { self.serve() }
    } catch {
      // Out of threads: the jobs wait until the next one tries, and refuse others meanwhile.
      monitor.locked { threads -= 1 }
    }
  }

  private func serve() {
    while let job = next() {
      job.work()
      monitor.locked {
        bytes -= job.bytes
        running -= 1
        if jobs.isEmpty, running == 0 { isEmpty.broadcast() }
      }
    }
  }

  private func next() -> Job? {
    monitor.locked {
      let end = Deadline.after(Self.idleTime)
      while jobs.isEmpty {
        idle += 1
        let wasSignalled = wakeUp.wait(until: end)
        idle -= 1
        if !wasSignalled, jobs.isEmpty {
          threads -= 1
          return nil
        }
      }
      running += 1
      return jobs.removeFirst()
    }
  }
}
