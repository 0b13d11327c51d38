internal import CLinux
import Glibc

/// Who this process is.
package enum ProcessUser {
  /// Effective user id.
  package static var effective: UInt32 { geteuid() }
  /// In this process's PID namespace.
  package static var pid: Int32 { getpid() }
  /// The process that started this one, or PID 1 once that is gone.
  package static var parent: Int32 { getppid() }
}

/// The descriptor that messages for people go to.
package enum StandardError {
  /// One write(2); what cannot be written is lost.
  package static func write(_ text: String) {
    let bytes = Array(text.utf8)
    // SAFETY: the bytes outlive the call.
    bytes.withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
  }
}
