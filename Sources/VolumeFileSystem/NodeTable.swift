import LinuxSystem
import Synchronization
import SystemPackage
import UnderFileSystem
import VolumeModel

/// Node numbers and what they stand for: the slots in shared memory, with their index and the chain of free ones. A node
/// lives until the kernel has forgotten all its lookups.
///
/// Nothing of it is in this process, so that a worker takes over any number of nodes at once.
final class NodeTable: Sendable {
  static let root: NodeID = 1

  let memory: SharedMemory
  private let maxNodes: UInt32
  private let index: NodeIndex
  private let freeSlots: FreeSlots
  /// One thread at a time for the chains of a shard.
  private let shards: InlineArray<64, Mutex<Void>>
  /// Whether the worker before left files open: their descriptors went with it.
  let tookOverOpenFiles: Bool

  init(_ state: SharedState) {
    memory = state.memory
    maxNodes = state.maxNodes
    index = NodeIndex(state.memory, maxNodes: state.maxNodes)
    freeSlots = FreeSlots(state.memory, maxNodes: state.maxNodes)
    shards = InlineArray { _ in Mutex(()) }
    let takeover = NodeTakeover(state, index: index, freeSlots: freeSlots)
    tookOverOpenFiles = takeover.run()
  }

  /// Runs `body` while no other thread uses the chains of that hash.
  @inline(__always)
  private func locked<R>(_ hash: UInt64, _ body: () throws(Errno) -> R) throws(Errno) -> R {
    try shards[NodeIndex.shard(hash)].withLock { (_) throws(Errno) in try body() }
  }

  var hasNamedNodes: Bool { memory.loadRelaxed32(at: SharedStateLayout.namedNodesOffset) != 0 }

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
    return try locked(hash) { () throws(Errno) in
      if let found = index.find(key, hash: hash) {
        let slot = NodeSlot(memory, index: found)
        if slot.isSameFile(key) {
          memory.increase(slot.base + NodeSlot.lookups, by: UInt64(1))
          return (slot.node, UInt64(slot.load32(NodeSlot.generation)))
        }
        // Somebody else put another file under the name of a node that is known by it.
        detach(slot, hash)
      }
      if case .named = key, !hasNamedNodes { memory.put(UInt32(1), at: SharedStateLayout.namedNodesOffset) }
      return try add(key, hash)
    }
  }

  /// A worker that dies before the lookup is counted leaves a free slot.
  private func add(_ key: NodeKey, _ hash: UInt64) throws(Errno) -> (node: NodeID, generation: UInt64) {
    guard let (slot, move) = freeSlots.take() else { throw .tooManyNodes }
    slot.fill(key, hash: hash)
    let generation = memory.increase(slot.base + NodeSlot.generation, by: UInt32(1)) &+ 1
    slot.publish(NodeSlot.used)
    index.insert(slot, hash: hash)
    slot.lookups = 1
    freeSlots.end(move)
    return (slot.node, UInt64(generation))
  }

  /// The node of that key if the kernel knows one.
  func find(_ key: NodeKey) -> NodeID? {
    let hash = key.hash
    return shards[NodeIndex.shard(hash)].withLock { _ in index.find(key, hash: hash) }.map { NodeID($0) + 1 }
  }

  /// A node that the kernel does not know any more, and whose number is not free yet.
  struct Forgotten: Sendable {
    let slot: NodeSlot
    fileprivate let move: FreeSlots.Move
  }

  /// Takes back `count` lookups. - Returns: what the caller gives to `recycle` once it has dropped what it holds of the node;
  /// nil while lookups are left.
  func forget(_ node: NodeID, _ count: UInt64) -> Forgotten? {
    guard node != Self.root, let slot = try? slot(node) else { return nil }
    while true {
      let hash = slot.load64(NodeSlot.hash)
      let outcome = shards[NodeIndex.shard(hash)].withLock { _ -> Forgotten?? in
        // A rename may have moved a node that is known by name to another shard meanwhile.
        guard slot.load64(NodeSlot.hash) == hash else { return .none }
        let lookups = slot.lookups
        guard lookups > 0, lookups <= count else {
          if lookups > 0 { memory.increase(slot.base + NodeSlot.lookups, by: 0 &- count) }
          return .some(nil)
        }
        let move = freeSlots.begin(slot)
        slot.lookups = 0
        index.remove(slot, hash: hash)
        return Forgotten(slot: slot, move: move)
      }
      if let outcome { return outcome }
    }
  }

  /// Frees the slot of a forgotten node; its number comes back with another generation.
  func recycle(_ forgotten: Forgotten) {
    forgotten.slot.endOpens()
    freeSlots.give(forgotten.slot, forgotten.move)
  }

  /// Whether a new node would find a slot: asked before an object is made that could then not be named to the kernel.
  var hasRoom: Bool { freeSlots.hasAny }
}

// MARK: - Nodes that are known by name

extension NodeTable {
  /// The name is gone or stands for something else: the node behind it can only be reached by an open descriptor.
  func detach(_ key: NodeKey) {
    let hash = key.hash
    shards[NodeIndex.shard(hash)].withLock { _ in
      if let found = index.find(key, hash: hash) { detach(NodeSlot(memory, index: found), hash) }
    }
  }

  private func detach(_ slot: NodeSlot, _ hash: UInt64) { take(slot, hash, leaving: .detached) }

  /// The name is to lead to a new node of the same file from now on.
  func setAside(_ node: NodeID) {
    guard let slot = try? slot(node) else { return }
    while true {
      let hash = slot.load64(NodeSlot.hash)
      let isDone = shards[NodeIndex.shard(hash)].withLock { _ in
        // A rename may have moved it to another shard meanwhile.
        guard slot.load64(NodeSlot.hash) == hash else { return false }
        if slot.load32(NodeSlot.form) == NodeSlot.Form.named.rawValue { take(slot, hash, leaving: .aside) }
        return true
      }
      if isDone { return }
    }
  }

  /// Takes a node out of the index, its shard being held.
  private func take(_ slot: NodeSlot, _ hash: UInt64, leaving form: NodeSlot.Form) {
    let move = freeSlots.begin(slot)
    slot.publish(form)
    index.remove(slot, hash: hash)
    freeSlots.end(move)
  }

  /// A rename gave a detached node a new parent or name; the file is the same.
  func attach(_ node: NodeID, as key: NodeKey) {
    guard case .named(let parent, let parentGeneration, let name, _) = key, let slot = try? slot(node) else { return }
    let hash = key.hash
    let renamed = NodeKey.named(
      parent: parent, parentGeneration: parentGeneration, name: name, inode: slot.load64(NodeSlot.inode))
    // Against a forget as well, which holds the shard of the hash before.
    bothLocked(slot.load64(NodeSlot.hash), hash) {
      guard slot.lookups > 0, slot.load32(NodeSlot.form) == NodeSlot.Form.detached.rawValue else { return }
      let move = freeSlots.begin(slot)
      slot.store(renamed, hash: hash)
      index.insert(slot, hash: hash)
      freeSlots.end(move)
    }
  }

  private func bothLocked(_ one: UInt64, _ other: UInt64, _ body: () -> Void) {
    let (first, second) = (NodeIndex.shard(one), NodeIndex.shard(other))
    if first == second { return shards[first].withLock { _ in body() } }
    shards[min(first, second)].withLock { _ in shards[max(first, second)].withLock { _ in body() } }
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

  /// How many opens all nodes of this part have, and no less: counted before the node's, and after it when they end.
  private var openCount: Int { SharedStateLayout.openCount(Int(index) % SharedStateLayout.openCountParts) }

  /// - Returns: opens before.
  @discardableResult
  func addOpen(writer: Bool) -> UInt32 {
    memory.increase(openCount, by: UInt32(1))
    if writer { memory.increase(base + Self.writers, by: UInt32(1)) }
    return memory.increase(base + Self.opens, by: UInt32(1))
  }

  /// - Returns: opens and writers that are left. A release that is handled twice (by two workers) does not go below zero.
  func removeOpen(writer: Bool) -> (opens: UInt32, writers: UInt32) {
    let writers = writer ? decrement(Self.writers).left : load32(Self.writers)
    let opens = decrement(Self.opens)
    if opens.counted { memory.increase(openCount, by: UInt32.max) }
    return (opens.left, writers)
  }

  /// The kernel has forgotten the node: no release comes any more for opens that are left.
  func endOpens() {
    let left = load32(Self.opens)
    guard left > 0 else { return }
    store32(0, Self.opens)
    memory.increase(openCount, by: 0 &- left)
  }

  private func decrement(_ field: Int) -> (left: UInt32, counted: Bool) {
    var value = load32(field)
    while value > 0 {
      let (done, found) = memory.compareExchange32(expected: value, desired: value - 1, at: base + field)
      if done { return (value - 1, true) }
      value = found
    }
    return (0, false)
  }
}
