/// How many threads read the device, and when one is made or goes: a value, so that it can be tested without threads.
///
/// The kernel wakes waiting readers in turn, so every reader beyond those that are needed costs cache misses and wake-ups of
/// sleeping processors. Two are kept, so that one always waits while the other works; when the last one that waits takes a
/// request, another is made, so that a request that hangs blocks no other.
struct ReaderCensus: Sendable {
  struct Limits: Sendable, Hashable {
    /// Readers made at the start.
    var initial = 2
    /// A reader that finds this many others waiting goes: each keeps a buffer of `maxWrite` bytes (1 MiB), all of it
    /// resident. Bursts of more requests than that make and end threads.
    var waiting = 3
    /// Readers at most: all background requests that the kernel sends at a time, and some for those that callers wait for.
    var total = 96
  }

  let limits: Limits
  /// Readers that exist or are being made.
  private(set) var total: Int
  /// Readers that wait for a request or soon will.
  private(set) var waiting: Int
  /// Readers that go after their current request; none is made any more.
  private(set) var isStopping = false

  init(limits: Limits = Limits()) {
    self.limits = limits
    total = limits.initial
    waiting = limits.initial
  }

  /// A reader got a request. - Returns: whether another reader is to be made; it counts as waiting already.
  mutating func tookRequest() -> Bool {
    waiting -= 1
    guard waiting == 0, total < limits.total, !isStopping else { return false }
    total += 1
    waiting += 1
    return true
  }

  /// A reader has answered. - Returns: whether it reads on; otherwise it is counted out.
  mutating func answered() -> Bool {
    guard !isStopping, waiting < limits.waiting else {
      total -= 1
      return false
    }
    waiting += 1
    return true
  }

  /// A waiting reader ends, or one that was to be made could not be.
  mutating func waitingReaderGone() {
    total -= 1
    waiting -= 1
  }

  mutating func stop() { isStopping = true }
}
