/// How often a node reports, and how much.
package struct ReportPolicy: Sendable, Hashable {
  /// What changes within it is one report.
  package var delay = Duration.milliseconds(500)
  /// Reports of what people must know that are sent at once, and how long until another one may follow.
  package var burst = 4
  package var refill = Duration.seconds(15)
  /// Between reports of counts alone.
  package var interval = Duration.seconds(60)
  /// A report follows after it although nothing has changed, as long as there are volumes.
  package var heartbeat = Duration.seconds(240)
  /// Between attempts after one that failed, at first and at most.
  package var firstRetry = Duration.seconds(1)
  package var longestRetry = Duration.seconds(60)
  /// Volumes with all that is known of them. No node has as many as a rule: a kubelet takes 110 pods.
  package var described = 200
  /// Volumes that are named; the rest is counted.
  package var named = 2_000

  package init() {}
}
