import Synchronization
import SystemPackage
import UnderFileSystem

/// References and open files of nodes, bounded in number whatever the number of nodes: what has not been used for a
/// while is
/// closed and opened again when it is needed. The bound does not hold for files that were unlinked while open, which
/// could
/// not be opened again.
final class DescriptorCache: Sendable {
  /// Node numbers are dealt to shards in turn, so that all fill evenly.
  private let shards: InlineArray<16, Mutex<CacheShard>>
  /// Removals under way. While there is one, no open file is closed: it may be the file that is being removed.
  private let removals = Atomic(0)
  /// Whether an open file was ever closed for room (or went with the worker before): removals then look at their victim
  /// first.
  private let closedOpenFile: Atomic<Bool>
  private let table: NodeTable

  /// - Parameter capacity: descriptors kept at most.
  init(capacity: Int, table: NodeTable) {
    self.table = table
    shards = InlineArray { _ in Mutex(CacheShard(capacity: max(4, capacity / 16))) }
    closedOpenFile = Atomic(table.tookOverOpenFiles)
  }

  @inline(__always) private static func shard(_ node: NodeID) -> Int { Int(truncatingIfNeeded: node & 15) }

  /// An open file that can do `access`, if there is one.
  @inline(__always) func file(_ node: NodeID, _ access: FileAccess) -> (any OpenFile)? {
    shards[Self.shard(node)].withLock { $0.file(node, access) }
  }

  func reference(_ node: NodeID) -> (any UnderNode)? {
    shards[Self.shard(node)].withLock { $0.reference(node) }
  }

  /// Attributes from whatever is open.
  func attributes(_ node: NodeID) throws(Errno) -> Attributes? {
    let (reference, file) = shards[Self.shard(node)].withLock {
      ($0.reference(node), $0.file(node, .read))
    }
    if let reference { return try reference.attributes() }
    return try file?.attributes()
  }

  /// Keeps `file`, unless there is one of its kind already. - Returns: the one that is kept.
  func insert(_ file: any OpenFile, for node: NodeID) -> any OpenFile {
    withRoom(node) { $0.insert(file, for: node) }
  }

  /// Keeps `reference`, unless there is one already. - Returns: the one that is kept.
  @discardableResult
  func insert(_ reference: any UnderNode, for node: NodeID) -> any UnderNode {
    withRoom(node) { $0.insert(reference, for: node) }
  }

  /// Puts `reference` in the place of the one that is kept: the name of the node stands for another file now.
  func replace(_ reference: any UnderNode, for node: NodeID) {
    drop(node)
    insert(reference, for: node)
  }

  private func withRoom<R: Sendable>(_ node: NodeID, _ body: (inout sending CacheShard) -> sending R) -> R {
    let result = shards[Self.shard(node)].withLock(body)
    // Closing happens outside the lock, when this array goes.
    _ = shards[Self.shard(node)].withLock { shard in
      shard.evict { node in
        mayClose(node)
      } isUnlinked: {
        $0.isUnlinked
      }
    }
    return result
  }

  /// Whether an open file may be closed for room now. Ordered against `removing`: either the removal sees that a file
  /// was
  /// closed, or this sees the removal.
  private func mayClose(_ node: NodeID) -> Bool {
    guard let slot = try? table.slot(node), slot.load32(NodeSlot.opens) > 0 else { return true }
    closedOpenFile.store(true, ordering: .sequentiallyConsistent)
    return removals.load(ordering: .sequentiallyConsistent) == 0
  }

  /// Runs a removal. - Parameter body: told whether it must pin its victim first, since open files may have been
  /// closed.
  func removing<R>(_ body: (_ mustPin: Bool) throws(Errno) -> R) throws(Errno) -> R {
    removals.add(1, ordering: .sequentiallyConsistent)
    defer { removals.subtract(1, ordering: .sequentiallyConsistent) }
    return try body(closedOpenFile.load(ordering: .sequentiallyConsistent))
  }

  /// Keeps what is open of the node until its last release.
  func pin(_ node: NodeID) { shards[Self.shard(node)].withLock { $0.pin(node) } }

  /// After a release: closes what no open needs any more.
  func released(_ node: NodeID, opens: UInt32, writers: UInt32) {
    let dropped = shards[Self.shard(node)].withLock { $0.release(node, opens: opens, writers: writers) }
    _ = dropped
  }

  /// Closes everything of the node.
  func drop(_ node: NodeID) {
    let dropped = shards[Self.shard(node)].withLock { $0.drop(node) }
    _ = dropped
  }

  /// Descriptors held now, for tests and the log.
  var count: Int {
    var sum = 0
    for index in 0..<16 { sum += shards[index].withLock { $0.descriptorCount } }
    return sum
  }
}

extension OpenFile {
  /// Whether the last name is gone: closed, it could not be opened again.
  fileprivate var isUnlinked: Bool {
    guard let attributes = try? attributes() else { return true }
    return attributes.linkCount == 0
  }
}
