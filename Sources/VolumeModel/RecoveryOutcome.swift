/// How a published volume came through the loss of its mount: mounter and worker gone at once, or the node restarted.
package enum RecoveryOutcome: Sendable, Hashable {
  /// Mounted again and bound again at every target.
  case recovered
  /// What was done, if anything, does not reach every user: one sentence without its end.
  case restartNeeded(reason: String)

  /// For the volume condition.
  package var sentence: String {
    switch self {
    case .recovered: "recovered: the volume was mounted again after its mount had been lost"
    case .restartNeeded(let reason): "restart needed: \(reason)"
    }
  }

  package var isRecovered: Bool { self == .recovered }

  /// The volume had secrets and every process that held them is gone.
  package static let secretsLost = RecoveryOutcome.restartNeeded(
    reason: """
      the volume's mount was lost, and its secrets with the processes that held them; it is mounted again when the kubelet \
      publishes it again: wait for that, or restart its pods
      """)

  /// The volume is served again at its targets, and these processes are beyond reach.
  package static func stale(_ users: [String]) -> RecoveryOutcome {
    .restartNeeded(
      reason: """
        the volume is mounted again, and \(users.joined(separator: ", ")) still see the mount that was lost, since mounts \
        of the node do not reach their containers: restart their pods, and give their volumeMounts mountPropagation: \
        HostToContainer, with which they need no restart
        """)
  }
}
