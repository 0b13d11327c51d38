import CFuse
import Glibc

/// A thread beside the readers, as for what controls a session. Not for requests.
package enum SessionThread {
  fileprivate final class Body {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Starts a detached thread that ends with `body`. It takes no signals.
  /// - Returns: whether it could be made.
  @discardableResult
  package static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    start(stackSize: 256 * 1024, body) != nil
  }

  /// - Returns: the thread, or nil when it could not be made.
  static func start(stackSize: Int, _ body: @escaping @Sendable () -> Void) -> pthread_t? {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackSize)
    pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
    // SAFETY: the thread takes over the reference; when it cannot be made, it is taken back here.
    let argument = Unmanaged.passRetained(Body(body)).toOpaque()
    var thread = pthread_t()
    let error = pthread_create(&thread, &attributes, { runSessionThread($0) }, argument)
    guard error == 0 else {
      Unmanaged<Body>.fromOpaque(argument).release()
      return nil
    }
    return thread
  }

  /// Sent to a reader to end its wait for a request. Its handler does nothing.
  static let wakeSignal = SIGUSR1

  /// The other signals belong to the main thread; faults belong to whoever makes them.
  fileprivate static func blockSignals() {
    var set = sigset_t()
    sigfillset(&set)
    for signal in [wakeSignal, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT] { sigdelset(&set, signal) }
    pthread_sigmask(SIG_SETMASK, &set, nil)
  }

  static func installWakeHandler() {
    var action = sigaction()
    // Without SA_RESTART: the read must return.
    action.__sigaction_handler.sa_handler = { _ in }
    sigaction(wakeSignal, &action, nil)
  }
}

private func runSessionThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  SessionThread.blockSignals()
  Unmanaged<SessionThread.Body>.fromOpaque(argument).takeRetainedValue().run()
  return nil
}
