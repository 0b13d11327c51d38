internal import CLinux
import Glibc
package import SystemPackage

/// A counter that wakes whoever polls it. eventfd(2), non-blocking.
package final class EventFD: Sendable {
  /// Readable while something is signalled and not taken.
  package let descriptor: Descriptor
  package var rawValue: CInt { descriptor.rawValue }

  package init() throws(Errno) {
    descriptor = Descriptor(adopting: try Syscall.once { eventfd(0, clinux_EFD_CLOEXEC | clinux_EFD_NONBLOCK) })
  }

  /// Adds one. Safe from any thread; the only failure left, a full counter, has woken the reader already.
  package func signal() {
    let number = rawValue
    var one: UInt64 = 1
    _ = try? Syscall.retrying { write(number, &one, 8) }
  }

  /// Takes all that was signalled; 0 when nothing was.
  @discardableResult
  package func take() throws(Errno) -> UInt64 {
    let number = rawValue
    var count: UInt64 = 0
    do throws(Errno) {
      try Syscall.retrying { read(number, &count, 8) }
    } catch .resourceTemporarilyUnavailable {
      return 0
    }
    return count
  }
}
