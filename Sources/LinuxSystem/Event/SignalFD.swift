internal import CLinux
import Glibc
package import SystemPackage

/// The signals that the calling thread, and threads that it makes later, do not take. sigprocmask(2).
package enum SignalMask {
  /// Blocks the signals, so that a `SignalFD` can report them. Call before any other thread is made.
  package static func block(_ signals: [CInt]) throws(Errno) { try change(SIG_BLOCK, signals) }
  /// Lets the calling thread take the signals again.
  package static func unblock(_ signals: [CInt]) throws(Errno) { try change(SIG_UNBLOCK, signals) }

  /// Blocks all signals but these in the calling thread.
  package static func blockAll(except signals: [CInt]) throws(Errno) {
    var set = sigset_t()
    sigfillset(&set)
    for number in signals { sigdelset(&set, number) }
    try Syscall.returningError { pthread_sigmask(SIG_SETMASK, &set, nil) }
  }

  /// Writing to a closed socket or pipe then fails with EPIPE instead of ending the process.
  package static func ignoreBrokenPipes() { Glibc.signal(SIGPIPE, SIG_IGN) }

  private static func change(_ how: CInt, _ signals: [CInt]) throws(Errno) {
    var set = signalSet(signals)
    try Syscall.returningError { pthread_sigmask(how, &set, nil) }
  }

  static func signalSet(_ signals: [CInt]) -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    for number in signals { sigaddset(&set, number) }
    return set
  }
}

/// Signals as readable events, once they are blocked in every thread. signalfd(2), non-blocking.
package final class SignalFD: Sendable {
  /// One signal that arrived.
  package struct Signal: Sendable, Hashable {
    /// As SIGTERM.
    package var number: CInt
    /// The sender, or the child of a SIGCHLD; 0 from the kernel.
    package var pid: Int32
  }

  /// Readable while a signal is pending.
  package let descriptor: Descriptor
  package var rawValue: CInt { descriptor.rawValue }

  /// Blocks the signals in the calling thread and makes them readable.
  package init(_ signals: [CInt]) throws(Errno) {
    try SignalMask.block(signals)
    var set = SignalMask.signalSet(signals)
    descriptor = Descriptor(
      adopting: try Syscall.once { signalfd(-1, &set, clinux_SFD_CLOEXEC | clinux_SFD_NONBLOCK) })
  }

  /// The next signal; nil when none is pending. Several SIGCHLD may arrive as one.
  package func next() throws(Errno) -> Signal? {
    let number = rawValue
    var info = signalfd_siginfo()
    do throws(Errno) {
      try Syscall.retrying { read(number, &info, MemoryLayout<signalfd_siginfo>.size) }
    } catch .resourceTemporarilyUnavailable {
      return nil
    }
    return Signal(number: CInt(info.ssi_signo), pid: Int32(info.ssi_pid))
  }
}
