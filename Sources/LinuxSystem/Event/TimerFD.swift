internal import CLinux
import Glibc
package import SystemPackage

/// A timer that becomes readable when it expires. timerfd_create(2), CLOCK_MONOTONIC, non-blocking.
package final class TimerFD: Sendable {
  /// Readable once it has expired, until `takeExpiry`.
  package let descriptor: Descriptor
  package var rawValue: CInt { descriptor.rawValue }

  package init() throws(Errno) {
    let flags = clinux_TFD_CLOEXEC | clinux_TFD_NONBLOCK
    descriptor = Descriptor(adopting: try Syscall.once { timerfd_create(CLOCK_MONOTONIC, flags) })
  }

  /// Expires once, after `duration`; a duration that has passed expires at once.
  package func arm(after duration: Duration) throws(Errno) {
    let (seconds, attoseconds) = max(duration, .nanoseconds(1)).components
    try set(timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000)))
  }

  /// Never expires, until armed again.
  package func disarm() throws(Errno) { try set(timespec()) }

  /// Whether it has expired since it was armed or last asked.
  @discardableResult
  package func takeExpiry() throws(Errno) -> Bool {
    let number = rawValue
    var count: UInt64 = 0
    do throws(Errno) {
      try Syscall.retrying { read(number, &count, 8) }
    } catch .resourceTemporarilyUnavailable {
      return false
    }
    return count > 0
  }

  private func set(_ value: timespec) throws(Errno) {
    let number = rawValue
    var timer = itimerspec(it_interval: timespec(), it_value: value)
    try Syscall.once { timerfd_settime(number, 0, &timer, nil) }
  }
}
