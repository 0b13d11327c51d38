/// How a controller writes what nodes report, and when it no longer believes them.
package struct StatusPolicy: Sendable, Hashable {
  /// Volumes that are written at once, and how long until another one may follow.
  package var burst = 10
  package var refill = Duration.milliseconds(200)
  /// Between two writes of one volume for its counts, and for what people must know soon.
  package var interval = Duration.seconds(60)
  package var urgentInterval = Duration.seconds(5)
  /// Changes of one volume within it are written together: nodes lose their volumes together.
  package var delay = Duration.milliseconds(500)
  /// Between attempts after one that failed, at first and at most.
  package var firstRetry = Duration.seconds(1)
  package var longestRetry = Duration.seconds(60)
  /// A node that has not reported for so long is not known to serve: two heartbeats and a half.
  package var silence = Duration.seconds(600)
  /// After it, what the node has reported is forgotten, so that it keeps no volume from being deleted.
  package var abandonment = Duration.seconds(3_600)
  /// Between looks at silent nodes, and at all volumes.
  package var patrol = Duration.seconds(30)
  /// Silent nodes that are asked for or given up in one look.
  package var patrolledNodes = 50
  package var sweep = Duration.seconds(300)
  /// Nodes that a volume lists; all are counted.
  package var listedNodes = 50

  package init() {}
}
