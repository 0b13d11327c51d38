internal import LinuxSystem

/// Closes what may take long to close, in turn, on a thread of its own, which ends when it has had nothing to do for a while.
final class Closer: @unchecked Sendable {
  // SAFETY (Sendable): both are read and written with the monitor's lock held.
  private var waiting: [@Sendable () -> Void] = []
  private var isRunning = false
  private let monitor = Monitor()
  private let arrival: Condition

  private static let idle = Duration.seconds(5)

  init() { arrival = Condition(of: monitor) }

  /// Runs `body`, and lets go of what it holds, behind all earlier ones. Callable from any thread; returns at once.
  func run(_ body: @escaping @Sendable () -> Void) {
    let mustStart = monitor.locked {
      waiting.append(body)
      arrival.signal()
      defer { isRunning = true }
      return !isRunning
    }
    guard mustStart else { return }
    do {
      try DetachedThread.start(name: "closer", stackSize: 64 << 10) { [self] in work() }
    } catch {
      // No thread to be had: this one waits.
      while let batch = take(waitingFor: .zero) { for body in batch { body() } }
    }
  }

  private func work() {
    while let batch = take(waitingFor: Self.idle) { for body in batch { body() } }
  }

  /// - Returns: nil when nothing came; then nobody works any more.
  private func take(waitingFor time: Duration) -> [@Sendable () -> Void]? {
    let deadline = Deadline.after(time)
    return monitor.locked {
      while waiting.isEmpty, arrival.wait(until: deadline) {}
      defer { waiting = [] }
      isRunning = !waiting.isEmpty
      return waiting.isEmpty ? nil : waiting
    }
  }
}
