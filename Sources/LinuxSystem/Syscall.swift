internal import CLinux
import Glibc
package import SystemPackage

/// The one place where a system call's -1 becomes an `Errno` and EINTR is handled.
package enum Syscall {
  /// Runs `body` until it is not interrupted by a signal.
  /// - Throws: the `errno` of the call.
  @discardableResult
  package static func retrying<R: FixedWidthInteger & SignedInteger>(_ body: () -> R) throws(Errno) -> R {
    while true {
      let result = body()
      if result != -1 { return result }
      let error = Errno(rawValue: errno)
      if error != .interrupted { throw error }
    }
  }

  /// For calls that must not be repeated after EINTR, as close(2).
  /// - Throws: the `errno` of the call.
  @discardableResult
  package static func once<R: FixedWidthInteger & SignedInteger>(_ body: () -> R) throws(Errno) -> R {
    let result = body()
    if result == -1 { throw Errno(rawValue: errno) }
    return result
  }

  /// For the calls of pthread and posix_spawn, which return their error number.
  package static func returningError(_ body: () -> CInt) throws(Errno) {
    let result = body()
    if result != 0 { throw Errno(rawValue: result) }
  }

  /// Refuses texts that C would read only up to their NUL.
  /// - Throws: EINVAL.
  package static func checkNoNul(_ texts: String...) throws(Errno) {
    for text in texts where text.utf8.contains(0) { throw Errno.invalidArgument }
  }
}
