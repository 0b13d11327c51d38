import Glibc
import LinuxSystem

/// A thread beside the readers, as for what controls a session. Not for requests.
package enum SessionThread {
  /// Starts a detached thread that ends with `body`. It takes no signals.
  /// - Returns: whether it could be made.
  @discardableResult
  package static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    start(name: "fuse-control", stackSize: 256 << 10, body) != nil
  }

  /// - Returns: the thread, or nil when it could not be made.
  static func start(name: String, stackSize: Int, _ body: @escaping @Sendable () -> Void) -> DetachedThread? {
    try? DetachedThread.start(name: name, stackSize: stackSize) {
      // The other signals belong to the main thread; faults belong to whoever makes them.
      try? SignalMask.blockAll(except: [wakeSignal, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT])
      body()
    }
  }

  /// Sent to a reader to end its wait for a request. Its handler does nothing.
  static let wakeSignal = SIGUSR1

  static func installWakeHandler() {
    var action = sigaction()
    // Without SA_RESTART: the read must return.
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(wakeSignal, &action, nil)
  }
}
