import Glibc

/// A moment of CLOCK_MONOTONIC by which something must have happened. It does not move with the wall clock and stands
/// still while the machine sleeps.
package struct Deadline: Sendable, Hashable, Comparable {
  /// Nanoseconds since an arbitrary start; comparable between the processes of one machine.
  package let nanoseconds: UInt64

  package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  /// No deadline.
  package static let never = Deadline(nanoseconds: .max)

  /// This moment.
  package static var now: Deadline {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Deadline(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
  }

  /// A negative duration counts as none; too long a one is ``never``.
  package static func after(_ duration: Duration) -> Deadline { now.advanced(by: duration) }

  /// Later by `duration`; ``never`` stays what it is, and a negative duration counts as none.
  package func advanced(by duration: Duration) -> Deadline {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return self }
    let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = nanoseconds.addingReportingOverflow(whole)
    let (total, carryAgain) = sum.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
    return overflow || carry || carryAgain ? .never : Deadline(nanoseconds: total)
  }

  /// What is left until this moment; zero once it has passed.
  package func remaining(at moment: Deadline = .now) -> Duration {
    moment < self ? .nanoseconds(Int64(clamping: nanoseconds - moment.nanoseconds)) : .zero
  }

  /// Whether this moment is now or was before.
  package var hasPassed: Bool { self <= .now }

  /// Blocks the calling thread until this moment, whatever signals come. clock_nanosleep(2).
  package func wait() {
    var moment = timespec(
      tv_sec: Int(clamping: nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, nil) == EINTR {}
  }

  package static func < (left: Deadline, right: Deadline) -> Bool { left.nanoseconds < right.nanoseconds }
}
