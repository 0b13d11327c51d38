package import LinuxSystem

/// Whether the disk is used just now, for one of reading and writing. A value: the time comes from outside.
package struct DiskHealth: Sendable {
  /// Why there is a pause.
  package enum Reason: Sendable, Hashable {
    case full
    /// The disk answered with this error number.
    case failing(Int32)
    case slow
    case readOnly
  }

  /// The pause that is on.
  package struct Pause: Sendable, Hashable {
    package var reason: Reason
    package var until: Deadline
  }

  static let first: Duration = .seconds(1)
  static let longest: Duration = .seconds(60)

  /// The last pause, until something succeeds after it.
  package private(set) var pause: Pause?
  private var length = DiskHealth.first
  /// Failures since something last succeeded.
  private var failures = 0
  /// Failures that are borne before a pause.
  private let patience: Int

  package init(patience: Int = 0) { self.patience = patience }

  /// Begins a pause, longer than the one before, unless one is on.
  package mutating func failed(_ reason: Reason, at now: Deadline) {
    failures += 1
    if failures <= patience, reason != .slow { return }
    if let pause, now < pause.until { return }
    pause = Pause(reason: reason, until: now.advanced(by: length))
    length = min(length * 2, Self.longest)
  }

  /// Ends the series of failures, and so the next pause is short again. What succeeds during a pause was begun before it.
  package mutating func succeeded(at now: Deadline) {
    if let pause, now < pause.until { return }
    pause = nil
    failures = 0
    length = Self.first
  }

  /// Whether the disk may be tried.
  package func isOn(at now: Deadline) -> Bool { pause.map { $0.until <= now } ?? true }
}
