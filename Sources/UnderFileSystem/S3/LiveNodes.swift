import Synchronization

/// The nodes that are in use, so that a rename reaches all of them: a reference is to a file, whatever it is called.
final class LiveNodes: Sendable {
  private struct Reference: Sendable {
    weak var node: ObjectNode?
  }

  private let references = Mutex<[ObjectIdentifier: Reference]>([:])

  func add(_ node: ObjectNode) {
    references.withLock { $0[ObjectIdentifier(node)] = Reference(node: node) }
  }

  /// From its `deinit`: the reference to it is empty already.
  func remove(_ node: ObjectNode) {
    let identifier = ObjectIdentifier(node)
    references.withLock { $0[identifier] = nil }
  }

  /// The spool of the file at `path` has lost its name.
  func unlinked(_ spool: Spool, at path: NodePath) {
    let nodes = references.withLock { $0.values.compactMap(\.node) }
    for node in nodes where node.versionStamp == spool.stamp && node.path == path { node.keep(spool) }
  }

  func moved(_ source: NodePath, to target: NodePath) {
    // Let go of outside the lock: the last reference to a node takes it out.
    let nodes = references.withLock { $0.values.compactMap(\.node) }
    for node in nodes { node.follow(source, to: target) }
  }
}
