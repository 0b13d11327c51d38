internal import CLinux
import Glibc
package import SystemPackage

/// A process by a descriptor, which never comes to mean another process. pidfd_open(2).
/// Becomes readable (poll, epoll) when the process has ended. Valid in its own PID namespace only.
package final class PidFD: Sendable {
  /// Readable once the process has ended.
  package let descriptor: Descriptor
  /// The number that it had; another process may have it once this one was waited for.
  package let pid: Int32
  package var rawValue: CInt { descriptor.rawValue }

  /// - Throws: ESRCH when there is no such process. For a child that was not waited for it cannot fail so; for any
  ///   other process check afterwards that it is the one that was meant.
  package init(pid: Int32) throws(Errno) {
    descriptor = Descriptor(adopting: try Syscall.once { clinux_pidfd_open(pid, 0) })
    self.pid = pid
  }

  /// Takes over a pidfd, as one that another process of this PID namespace sent.
  package init(adopting descriptor: consuming Descriptor, pid: Int32) {
    self.descriptor = descriptor
    self.pid = pid
  }

  /// Sends a signal; 0 only asks whether it could be sent.
  /// - Throws: ESRCH when the process has ended and was waited for.
  package func signal(_ number: CInt) throws(Errno) {
    let pidfd = rawValue
    try Syscall.once { clinux_pidfd_send_signal(pidfd, number) }
  }

  /// Waits until a child has ended and reaps it.
  /// - Throws: ECHILD when it is no child of this process or was reaped before.
  package func wait() throws(Errno) -> ProcessExit {
    while true {
      if let status = try wait(options: WEXITED) { return status }
    }
  }

  /// Reaps a child that has ended; nil while it runs.
  /// - Throws: ECHILD when it is no child of this process or was reaped before.
  package func waitIfEnded() throws(Errno) -> ProcessExit? { try wait(options: WEXITED | WNOHANG) }

  /// Whether the process, child or not, has ended. Waits at most `milliseconds` for it; -1 waits for ever.
  package func hasEnded(within milliseconds: CInt = 0) throws(Errno) -> Bool {
    try descriptor.isReadable(within: milliseconds)
  }

  private func wait(options: CInt) throws(Errno) -> ProcessExit? {
    let pidfd = rawValue
    var result = clinux_exit()
    try Syscall.retrying { clinux_waitid(CLINUX_P_PIDFD, pidfd, options, &result) }
    return ProcessExit(result)
  }
}

extension ProcessExit {
  /// nil when nothing has ended.
  init?(_ result: clinux_exit) {
    guard result.pid != 0 else { return nil }
    switch result.code {
    case CInt(CLD_EXITED): self = .exited(code: result.status)
    default: self = .signalled(signal: result.status, dumpedCore: result.code == CInt(CLD_DUMPED))
    }
  }
}

/// Children that were not started here but given to this process, as to PID 1 of a container.
package enum Orphans {
  /// Reaps one child that has ended, whoever started it; nil when none has. Loop until nil after SIGCHLD.
  /// - Throws: ECHILD when there are no children.
  package static func reapOne() throws(Errno) -> (pid: Int32, status: ProcessExit)? {
    var result = clinux_exit()
    try Syscall.retrying { clinux_waitid(CLINUX_P_ALL, 0, WEXITED | WNOHANG, &result) }
    return ProcessExit(result).map { (result.pid, $0) }
  }
}
