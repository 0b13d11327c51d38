/// How often and how fast a call is tried again.
package struct RetryPolicy: Sendable, Hashable {
  /// How often in all.
  package var attempts: Int
  /// The longest wait before the second attempt; it doubles until `longestWait`.
  package var firstWait: Duration
  package var longestWait: Duration
  /// All attempts and waits together.
  package var patience: Duration

  package init(
    attempts: Int = 8, firstWait: Duration = .milliseconds(200), longestWait: Duration = .seconds(10),
    patience: Duration = .seconds(30)
  ) {
    self.attempts = attempts
    self.firstWait = firstWait
    self.longestWait = longestWait
    self.patience = patience
  }

  /// The wait after so many failures in a row: all clients of a server that was away must not come back in one moment.
  /// - Parameter random: from 0 to 1.
  func wait(afterFailures failures: Int, random: Double, atLeast least: Duration? = nil) -> Duration {
    let ceiling = min(longestWait, firstWait * (1 << min(20, max(0, failures - 1))))
    // What the server asks for is the least; the jitter comes on top.
    return (least ?? ceiling * 0.5) + ceiling * (0.5 * random)
  }
}

/// What one call has gone through: decides what comes next. A value, so that tests need no time and no network.
struct RetryState: Sendable {
  /// What to do about a failed attempt.
  enum Step: Sendable, Hashable {
    /// The caller gets the error.
    case fail
    case wait(Duration)
    /// Once more at once, with a token that is read again.
    case refresh
  }

  private let policy: RetryPolicy
  private var failures = 0
  private var hasRefreshed = false

  init(_ policy: RetryPolicy) { self.policy = policy }

  /// - Parameters:
  ///   - isRepeatable: whether doing it twice is the same as doing it once.
  ///   - left: of the policy's patience.
  ///   - random: from 0 to 1.
  mutating func next(
    after error: KubernetesError, isRepeatable: Bool, left: Duration, random: Double
  ) -> Step {
    switch error.kind {
    case .unauthorized where !hasRefreshed:
      hasRefreshed = true
      return .refresh
    case .busy: break
    case .unavailable, .unreadable: guard isRepeatable || !error.mayHaveHappened else { return .fail }
    default: return .fail
    }
    // An answer that cannot be read may have been garbled on its way, once.
    if error.kind == .unreadable, failures > 0 { return .fail }
    failures += 1
    guard failures < policy.attempts else { return .fail }
    let wait = policy.wait(afterFailures: failures, random: random, atLeast: error.retryAfter)
    return wait < left ? .wait(wait) : .fail
  }
}
