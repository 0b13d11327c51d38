import Glibc

/// How busy the processors are with this process. clock_gettime(2), CLOCK_PROCESS_CPUTIME_ID.
struct LoadClock {
  private var used = Self.nanoseconds(CLOCK_PROCESS_CPUTIME_ID)
  private var time = Self.nanoseconds(CLOCK_MONOTONIC)

  /// Processor time since the last call per time that has passed: 1 for one processor that did nothing else.
  mutating func load() -> Double {
    let (lastUsed, lastTime) = (used, time)
    used = Self.nanoseconds(CLOCK_PROCESS_CPUTIME_ID)
    time = Self.nanoseconds(CLOCK_MONOTONIC)
    return Double(used - lastUsed) / Double(max(1, time - lastTime))
  }

  private static func nanoseconds(_ clock: clockid_t) -> Int {
    var now = timespec()
    clock_gettime(clock, &now)
    return now.tv_sec * 1_000_000_000 + now.tv_nsec
  }
}
