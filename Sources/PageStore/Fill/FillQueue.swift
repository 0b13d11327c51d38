import LinuxSystem

/// What waits to be written, in order, bounded in bytes.
final class FillQueue: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.

  private let maximumBytes: Int
  private let threads: BlockingThreads
  private let monitor: Monitor
  private let isEmpty: Condition
  private var bytes = 0
  private var jobs = 0

  init(maximumBytes: Int, maximumThreads: Int) {
    self.maximumBytes = maximumBytes
    // Nothing is ever given up: who hands pages over does not wait for them.
    threads = BlockingThreads(maximumRunning: maximumThreads, maximumAbandoned: 1)
    monitor = Monitor()
    isEmpty = Condition(of: monitor)
  }

  /// Whether so many bytes would be refused.
  func isFull(for count: Int) -> Bool { monitor.locked { bytes + count > maximumBytes } }

  /// - Returns: false when too much waits already, and nothing was added.
  func add(bytes count: Int, _ work: @escaping @Sendable () -> Void) -> Bool {
    let isAdded = monitor.locked { () -> Bool in
      guard bytes + count <= maximumBytes else { return false }
      bytes += count
      jobs += 1
      return true
    }
    guard isAdded else { return false }
    do throws(BlockingThreads.TooManyAbandoned) {
      try threads.start { [self] in
        work()
        finished(count)
      }
      return true
    } catch {
      finished(count)
      return false
    }
  }

  private func finished(_ count: Int) {
    monitor.locked {
      bytes -= count
      jobs -= 1
      if jobs == 0 { isEmpty.broadcast() }
    }
  }

  /// Waits until all is done that was added. - Returns: false when the deadline passed first.
  func drain(until deadline: Deadline) -> Bool {
    monitor.locked {
      while jobs > 0 {
        if !isEmpty.wait(until: deadline) { return jobs == 0 }
      }
      return true
    }
  }
}
