internal import LinuxSystem
internal import Logging
internal import VolumeModel

/// Descriptors of a volume's files and directories that are in use and have no name any more, by node number. As long as one
/// of them is open in any process, the file's handle leads to it, so that the next worker finds it as it finds all others.
struct HeldDescriptors: Sendable {
  /// Of one volume. Beyond it a file without a name ends with its worker. A worker can send anything: this bounds what it can
  /// take of the mounter's descriptors.
  static let maximum = 1_024

  /// What happens to them; nothing else changes them.
  enum Change: Sendable {
    /// Replaces an earlier one of the node.
    case held(UInt64, SharedDescriptor)
    case released(UInt64)

    var node: UInt64 {
      switch self {
      case .held(let node, _), .released(let node): node
      }
    }
  }

  private(set) var byNode: [UInt64: SharedDescriptor] = [:]

  /// - Returns: the descriptor that is held no more, and whether the change could be made.
  mutating func apply(_ change: Change) -> (dropped: SharedDescriptor?, isDone: Bool) {
    switch change {
    case .held(let node, let descriptor):
      guard byNode[node] != nil || byNode.count < Self.maximum else { return (descriptor, false) }
      return (byNode.updateValue(descriptor, forKey: node), true)
    case .released(let node):
      return (byNode.removeValue(forKey: node), true)
    }
  }
}

extension MounterServer {
  /// Every change of what is held for a volume's workers.
  func change(_ change: HeldDescriptors.Change, _ key: WorkerKey) {
    guard let holding = holdings[key] else { return }
    let (dropped, isDone) = holding.held.apply(change)
    if isDone { depositNode(change.node, key) }
    // The last descriptor of a large file frees its space, which takes a while.
    if let dropped { closer.run { withExtendedLifetime(dropped) {} } }
    guard !isDone, !holding.hasWarnedOfHeld else { return }
    holding.hasWarnedOfHeld = true
    log.warning(
      """
      \(HeldDescriptors.maximum) files are open that have no name any more: further ones end with their worker
      """, metadata: metadata(key))
  }
}
