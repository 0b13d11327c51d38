internal import LinuxSystem

/// How long to wait before a process that keeps dying is started again: not at all where it has served, unless it dies
/// young too many times in a row.
struct RestartPacing: Sendable {
  private var lastStart = Deadline(nanoseconds: 0)
  /// The process that was started last has served.
  private(set) var hasServed = false
  /// Processes in a row that have not served.
  private var failures = 0
  /// Processes in a row that have served, and not for long.
  private var earlyDeaths = 0

  private static let young = Duration.seconds(5)
  /// Chance, or somebody who kills them one after the other: applications need not wait for that.
  private static let toleratedEarlyDeaths = 20
  private static let shortest = Duration.milliseconds(100)
  private static let longest = Duration.seconds(10)

  mutating func started(at now: Deadline) {
    lastStart = now
    hasServed = false
  }

  /// It serves.
  mutating func served() { hasServed = true }

  /// It has ended. The first pause is none, each further one is twice as long as the one before.
  mutating func pause(at now: Deadline) -> Duration {
    if hasServed {
      failures = 0
      earlyDeaths = now > lastStart.advanced(by: Self.young) ? 0 : earlyDeaths + 1
    } else {
      failures += 1
    }
    let excess = max(failures - 1, earlyDeaths - Self.toleratedEarlyDeaths)
    return excess <= 0 ? .zero : min(Self.shortest * (1 << min(excess - 1, 10)), Self.longest)
  }
}
