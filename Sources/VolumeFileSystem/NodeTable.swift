import LinuxSystem
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeModel

/// Node numbers and what they stand for: the slots in shared memory, with an index and a free list in this process that are
/// rebuilt from the slots at start. A node lives until the kernel has forgotten all its lookups.
final class NodeTable: Sendable {
  static let root: NodeID = 1

  let memory: SharedMemory
  private let maxNodes: UInt32
  private let shards: InlineArray<64, Mutex<NodeIndex>>
  private let freeSlots: Mutex<[UInt32]>
  /// Whether any node was ever known by name only.
  private let namedNodes = Atomic(false)
  /// Whether the worker before left files open: their descriptors went with it.
  let tookOverOpenFiles: Bool

  init(_ state: SharedState) {
    memory = state.memory
    maxNodes = state.maxNodes
    shards = InlineArray { _ in Mutex(NodeIndex()) }
    freeSlots = Mutex([])
    let memory = state.memory
    let root = NodeSlot(memory, index: 0)
    root.store32(NodeSlot.Form.root.rawValue, NodeSlot.form)
    root.publish(NodeSlot.used)
    let highWater = min(max(1, memory.loadAcquiring32(at: SharedStateLayout.highWaterOffset)), maxNodes)
    memory.storeReleasing32(highWater, at: SharedStateLayout.highWaterOffset)
    var hasOpenFiles = false
    // Slots that the kernel still knows go into the index, others are free. A count that is too high (a forget died with
    // its worker) only keeps a slot; one that is too low cannot happen.
    for index in 1..<max(1, highWater) {
      let slot = NodeSlot(memory, index: index)
      guard slot.isUsed, slot.load64(NodeSlot.lookups) > 0 else {
        slot.publish(NodeSlot.free)
        freeSlots.withLock { $0.append(index) }
        continue
      }
      if slot.load32(NodeSlot.opens) > 0 { hasOpenFiles = true }
      slot.endAllRemovals()
      if slot.load32(NodeSlot.form) == NodeSlot.Form.named.rawValue { namedNodes.store(true, ordering: .relaxed) }
      guard slot.key != nil else { continue }
      let hash = slot.load64(NodeSlot.hash)
      shards[Self.shard(hash)].withLock { $0.insert(index, hash: hash, in: memory) }
    }
    tookOverOpenFiles = hasOpenFiles
  }

  @inline(__always) private static func shard(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash & 63) }

  var hasNamedNodes: Bool { namedNodes.load(ordering: .relaxed) }

  /// The slot of a node that is in use. - Throws: ESTALE for a number that stands for nothing.
  @inline(__always) func slot(_ node: NodeID) throws(Errno) -> NodeSlot {
    guard node >= 1, node <= UInt64(maxNodes) else { throw .staleNode }
    let slot = NodeSlot(memory, index: UInt32(node - 1))
    guard slot.isUsed else { throw .staleNode }
    return slot
  }

  func generation(of node: NodeID) throws(Errno) -> UInt32 { try slot(node).load32(NodeSlot.generation) }

  /// The node of that key, new if need be, with one more lookup counted.
  /// - Throws: ENFILE when `maxNodes` nodes are known to the kernel.
  func acquire(_ key: NodeKey) throws(Errno) -> (node: NodeID, generation: UInt64) {
    let hash = key.hash
    return try shards[Self.shard(hash)].withLock { (shard) throws(Errno) in
      if let index = shard.find(key, hash: hash, in: memory) {
        let slot = NodeSlot(memory, index: index)
        if slot.isSameFile(key) {
          memory.add64(1, at: slot.base + NodeSlot.lookups)
          return (NodeID(index) + 1, UInt64(slot.load32(NodeSlot.generation)))
        }
        // Somebody else put another file under the name of a node that is known by it.
        shard.remove(index, hash: hash, in: memory)
        slot.store32(NodeSlot.Form.detached.rawValue, NodeSlot.form)
      }
      if case .named = key { namedNodes.store(true, ordering: .relaxed) }
      let index = try allocate()
      let slot = NodeSlot(memory, index: index)
      slot.fill(key, hash: hash)
      slot.store64(1, NodeSlot.lookups)
      slot.publish(NodeSlot.used)
      shard.insert(index, hash: hash, in: memory)
      return (NodeID(index) + 1, UInt64(slot.load32(NodeSlot.generation)))
    }
  }

  /// The node of that key if the kernel knows one.
  func find(_ key: NodeKey) -> NodeID? {
    let hash = key.hash
    return shards[Self.shard(hash)].withLock { $0.find(key, hash: hash, in: memory) }.map { NodeID($0) + 1 }
  }

  /// Takes back `count` lookups. - Returns: true when none is left: the caller drops what it holds and calls `recycle`.
  func forget(_ node: NodeID, _ count: UInt64) -> Bool {
    guard node != Self.root, let slot = try? slot(node) else { return false }
    while true {
      let hash = slot.load64(NodeSlot.hash)
      let outcome = shards[Self.shard(hash)].withLock { shard -> Bool? in
        // A rename may have moved a node that is known by name to another shard meanwhile.
        guard slot.load64(NodeSlot.hash) == hash else { return nil }
        let lookups = slot.load64(NodeSlot.lookups)
        if lookups > count {
          memory.subtract64(count, at: slot.base + NodeSlot.lookups)
          return false
        }
        slot.store64(0, NodeSlot.lookups)
        shard.remove(UInt32(node - 1), hash: hash, in: memory)
        return true
      }
      if let outcome { return outcome }
    }
  }

  /// Frees the slot of a forgotten node; its number comes back with another generation.
  func recycle(_ node: NodeID) {
    let index = UInt32(node - 1)
    NodeSlot(memory, index: index).publish(NodeSlot.free)
    freeSlots.withLock { $0.append(index) }
  }

  /// Whether a new node would find a slot: asked before an object is made that could then not be named to the kernel.
  var hasRoom: Bool {
    memory.loadRelaxed32(at: SharedStateLayout.highWaterOffset) < maxNodes || freeSlots.withLock { !$0.isEmpty }
  }

  private func allocate() throws(Errno) -> UInt32 {
    if let index = freeSlots.withLock({ $0.popLast() }) {
      memory.add32(1, at: NodeSlot(memory, index: index).base + NodeSlot.generation)
      return index
    }
    let index = memory.add32(1, at: SharedStateLayout.highWaterOffset)
    guard index < maxNodes else {
      // Other threads may have gone over the limit as well: each takes back its own step.
      memory.add32(.max, at: SharedStateLayout.highWaterOffset)
      throw .tooManyNodes
    }
    memory.add32(1, at: NodeSlot(memory, index: index).base + NodeSlot.generation)
    return index
  }
}

// MARK: - Nodes that are known by name

extension NodeTable {
  /// The name is gone or stands for something else: the node behind it can only be reached by an open descriptor.
  func detach(_ key: NodeKey) {
    let hash = key.hash
    shards[Self.shard(hash)].withLock { shard in
      guard let index = shard.find(key, hash: hash, in: memory) else { return }
      shard.remove(index, hash: hash, in: memory)
      NodeSlot(memory, index: index).store32(NodeSlot.Form.detached.rawValue, NodeSlot.form)
    }
  }

  /// A rename gave a detached node a new parent or name; the file is the same.
  func attach(_ node: NodeID, as key: NodeKey) {
    guard case .named(let parent, let parentGeneration, let name, _) = key, let slot = try? slot(node) else { return }
    let hash = key.hash
    let renamed = NodeKey.named(
      parent: parent, parentGeneration: parentGeneration, name: name, inode: slot.load64(NodeSlot.inode))
    shards[Self.shard(hash)].withLock { shard in
      guard slot.load64(NodeSlot.lookups) > 0 else { return }
      slot.store(renamed, hash: hash)
      shard.insert(UInt32(node - 1), hash: hash, in: memory)
    }
  }
}

// MARK: - What the kernel has seen, and open files

extension NodeSlot {
  /// False when a node that is known by name has been replaced by another file.
  fileprivate func isSameFile(_ key: NodeKey) -> Bool {
    if case .named(_, _, _, let inode) = key { return load64(Self.inode) == inode }
    return true
  }

  /// Notes the attributes that an answer is about to show to the kernel.
  func recordShown(_ attributes: Attributes) {
    store64(UInt64(bitPattern: attributes.modificationTime), Self.shownModification)
    store64(UInt64(bitPattern: attributes.changeTime), Self.shownChange)
    store64(UInt64(bitPattern: attributes.size), Self.shownSize)
  }

  /// Whether the file is as the kernel last saw it, so that its pages are still right.
  func isAsShown(_ attributes: Attributes) -> Bool {
    load64(Self.shownModification) == UInt64(bitPattern: attributes.modificationTime)
      && load64(Self.shownChange) == UInt64(bitPattern: attributes.changeTime)
      && load64(Self.shownSize) == UInt64(bitPattern: attributes.size)
  }

  /// - Returns: opens before.
  @discardableResult
  func addOpen(writer: Bool) -> UInt32 {
    if writer { memory.add32(1, at: base + Self.writers) }
    return memory.add32(1, at: base + Self.opens)
  }

  /// - Returns: opens and writers that are left. A release that is handled twice (by two workers) does not go below zero.
  func removeOpen(writer: Bool) -> (opens: UInt32, writers: UInt32) {
    let writers = writer ? decrement(Self.writers) : load32(Self.writers)
    return (decrement(Self.opens), writers)
  }

  private func decrement(_ field: Int) -> UInt32 {
    var value = load32(field)
    while value > 0 {
      let (done, found) = memory.compareExchange32(expected: value, desired: value - 1, at: base + field)
      if done { return value - 1 }
      value = found
    }
    return 0
  }
}
