internal import LinuxSystem

/// How often and how fast a request is tried again.
package struct RetryPolicy: Sendable, Hashable {
  /// Of requests that got nowhere in a row. One that brought bytes starts anew.
  package var attempts: Int
  /// The longest wait before the second attempt; it doubles until `longestWait`.
  package var firstWait: Duration
  package var longestWait: Duration

  package init(attempts: Int = 8, firstWait: Duration = .milliseconds(100), longestWait: Duration = .seconds(10)) {
    self.attempts = attempts
    self.firstWait = firstWait
    self.longestWait = longestWait
  }

  /// The longest wait after so many failures in a row, of which a random part is taken ("full jitter"): many clients that
  /// failed together do not come back together.
  func ceiling(afterFailures failures: Int, kind: ObjectStoreError.Kind) -> Duration {
    // A service that asks for less gets less from the first time on.
    let first = kind == .slowDown ? firstWait * 4 : firstWait
    return min(longestWait, first * (1 << min(20, max(0, failures - 1))))
  }
}

/// What one request has gone through: decides what comes next. A value, so that tests need no time and no network.
struct RetryState: Sendable {
  /// What to do about a failed attempt.
  enum Step: Sendable, Hashable {
    /// The caller gets the error.
    case fail
    case wait(Duration)
    /// Once more at once, with the service's time, region, or other credentials.
    case resign, move(region: String), refresh
  }

  private let policy: RetryPolicy
  private(set) var attempts = 0
  private(set) var mayHaveHappened = false
  private var failures = 0
  private var hasResigned = false
  private var hasMoved = false
  private var hasRefreshed = false

  init(_ policy: RetryPolicy) { self.policy = policy }

  /// An attempt begins.
  mutating func begin() { attempts += 1 }

  /// Bytes of the answer were delivered.
  mutating func progressed() { failures = 0 }

  /// - Parameters:
  ///   - isRepeatable: whether doing it twice is the same as doing it once.
  ///   - random: from 0 to 1.
  mutating func next(
    after error: ObjectStoreError, isRepeatable: Bool, now: Deadline, deadline: Deadline, random: Double
  ) -> Step {
    // What the service refused was not done by this attempt; what was lost on the way may have been.
    if error.mayHaveHappened { mayHaveHappened = true }
    switch error.kind {
    case .clockSkew where !hasResigned && error.clockAhead != nil:
      hasResigned = true
      return .resign
    case .wrongRegion where !hasMoved && error.region != nil:
      hasMoved = true
      return error.region.map { .move(region: $0) } ?? .fail
    case .expiredCredentials where !hasRefreshed, .invalidAccessKey where !hasRefreshed:
      hasRefreshed = true
      return .refresh
    default: break
    }
    // 307 without a region: a bucket so new that not all names lead to it yet.
    let isNew = error.kind == .wrongRegion && error.status == 307 && error.region == nil
    guard error.kind.isPassing || isNew else { return .fail }
    guard isRepeatable || !error.mayHaveHappened else { return .fail }
    failures += 1
    guard failures < policy.attempts else { return .fail }
    let ceiling = policy.ceiling(afterFailures: failures, kind: error.kind)
    // What the service asks for is the least; the jitter comes on top, or all clients come back in one moment.
    let wait = (error.retryAfter ?? .zero) + ceiling * random
    return now.advanced(by: wait) < deadline ? .wait(wait) : .fail
  }
}
