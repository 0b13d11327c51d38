import Synchronization

/// Counters of requests by operation and outcome, with a histogram of their times.
package struct RequestCounts: Sendable, Hashable {
  /// One operation's.
  package struct Operation: Sendable, Hashable {
    /// Attempts, and how many of them were not the first of their request.
    package var requests: UInt64 = 0
    package var retries: UInt64 = 0
    /// Bodies, in bytes.
    package var bytesReceived: UInt64 = 0
    package var bytesSent: UInt64 = 0
    /// Attempts by status, or by the kind of what came instead of an answer.
    package var outcomes: [String: UInt64] = [:]
    /// From the start to the end of attempts that were answered.
    package var latency = LatencyHistogram()
  }

  /// Those that were asked for at least once.
  package var operations: [ObjectOperation: Operation] = [:]

  /// All attempts.
  package var requests: UInt64 { operations.values.reduce(0) { $0 + $1.requests } }
}

/// Times in buckets that are an eighth wide at most: from a microsecond to 20 minutes in 256 numbers.
package struct LatencyHistogram: Sendable, Hashable {
  private var buckets: [UInt32] = []
  /// How many times were added.
  package private(set) var count: UInt64 = 0
  /// All of them together.
  package private(set) var totalMicroseconds: UInt64 = 0

  private static let size = 256
  /// Buckets in each doubling.
  private static let steps = 8

  mutating func add(nanoseconds: UInt64) {
    if buckets.isEmpty { buckets = [UInt32](repeating: 0, count: Self.size) }
    let place = Self.place(of: nanoseconds / 1000)
    buckets[place] = buckets[place] &+ 1
    count += 1
    totalMicroseconds += nanoseconds / 1000
  }

  private static func place(of microseconds: UInt64) -> Int {
    guard microseconds >= UInt64(steps) else { return Int(microseconds) }
    let doubling = 63 - microseconds.leadingZeroBitCount
    return min(size - 1, (doubling - 2) * steps + Int(microseconds >> UInt64(doubling - 3)) - steps)
  }

  /// The upper end of a bucket.
  private static func bound(of place: Int) -> UInt64 {
    guard place >= steps else { return UInt64(place) + 1 }
    let doubling = place / steps + 2
    return UInt64(place % steps + steps + 1) << UInt64(doubling - 3)
  }

  /// The time that this part of all stays below, as 0.5 or 0.99; nil without any.
  package func quantile(_ part: Double) -> Duration? {
    guard count > 0 else { return nil }
    let wanted = UInt64((Double(count) * part).rounded(.up))
    var seen: UInt64 = 0
    for (place, value) in buckets.enumerated() {
      seen += UInt64(value)
      if seen >= max(1, wanted) { return .microseconds(Int64(Self.bound(of: place))) }
    }
    return nil
  }
}

/// The counters of one client.
package final class RequestStatistics: Sendable {
  private let counts = Mutex(RequestCounts())

  package init() {}

  /// As they are now.
  package var current: RequestCounts { counts.withLock { $0 } }

  /// One attempt that ended.
  struct Attempt {
    var operation: ObjectOperation
    var isRetry: Bool
    var outcome: String
    var nanoseconds: UInt64
    var received: UInt64
    var sent: UInt64
  }

  func add(_ attempt: Attempt) {
    counts.withLock { counts in
      counts.operations[attempt.operation, default: .init()].requests += 1
      counts.operations[attempt.operation]?.retries += attempt.isRetry ? 1 : 0
      counts.operations[attempt.operation]?.bytesReceived += attempt.received
      counts.operations[attempt.operation]?.bytesSent += attempt.sent
      counts.operations[attempt.operation]?.outcomes[attempt.outcome, default: 0] += 1
      counts.operations[attempt.operation]?.latency.add(nanoseconds: attempt.nanoseconds)
    }
  }
}
