import Glibc
package import SystemPackage

/// Asks the process to end: SIGTERM from the container's runtime, SIGINT from a terminal.
///
/// For programs with an async `main`, whose main thread's signal mask is libdispatch's: the handler only writes the
/// signal's number into a pipe, and a thread of its own, which has the signals unblocked, waits at the other end.
package enum TerminationSignal {
  /// The write end for the handler. Written once, before the handler is installed.
  nonisolated(unsafe) private static var pipe: CInt = -1

  /// Catches both signals from here on, once per process; what comes is delivered to `onSignal`, on a thread of its own.
  /// A second signal while the first is being handled is delivered too.
  package static func install(_ onSignal: @escaping @Sendable (CInt) -> Void) throws(Errno) {
    precondition(pipe < 0, "termination signals are caught already")
    var ends: [CInt] = [-1, -1]
    // Not pipe2(2), which Glibc hides: a pair of sockets is CLOEXEC from its birth as well.
    try Syscall.once { socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) }
    pipe = ends[1]
    let receiver = SharedDescriptor(Descriptor(adopting: ends[0]))
    try DetachedThread.start(name: "termination", stackSize: stackSize) { deliver(from: receiver, to: onSignal) }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      let saved = errno
      var byte = UInt8(truncatingIfNeeded: number)
      _ = write(TerminationSignal.pipe, &byte, 1)
      errno = saved
    }
    action.sa_flags = SA_RESTART
    for number in [SIGTERM, SIGINT] { try Syscall.once { sigaction(number, &action, nil) } }
  }

  /// Signals since `install`, one after the other: `for await signal in TerminationSignal.signals()`.
  package static func signals() throws(Errno) -> AsyncStream<CInt> {
    let (stream, continuation) = AsyncStream.makeStream(of: CInt.self)
    try install { continuation.yield($0) }
    return stream
  }

  /// Bytes: `onSignal` may log.
  private static let stackSize = 256 << 10

  /// Waits for signals' numbers in the pipe, to the end of the process.
  private static func deliver(from receiver: SharedDescriptor, to onSignal: @Sendable (CInt) -> Void) {
    try? SignalMask.unblock([SIGTERM, SIGINT])
    var byte: UInt8 = 0
    while true {
      let count = read(receiver.rawValue, &byte, 1)
      if count == 1 { onSignal(CInt(byte)) } else if count == 0 || errno != EINTR { return }
    }
  }
}
