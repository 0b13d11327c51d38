import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

/// The nodes of a volume without its files: the memory that a mounter would hold, and the table of the worker that serves.
final class Nodes {
  let state: Descriptor
  let memory: SharedMemory
  let maxNodes: UInt32
  private(set) var table: NodeTable

  /// - Parameter content: what another state of this size holds.
  init(maxNodes: UInt32, content: Snapshot? = nil) throws {
    self.maxNodes = maxNodes
    state = try Memfd.create(name: "nodes-test", byteCount: SharedStateLayout.size(maxNodes: maxNodes))
    try state.writeAll(SharedStateLayout.header(maxNodes: maxNodes, initRequest: [], initReply: []) ?? [])
    try Memfd.seal(state, .shrink)
    memory = try SharedMemory(mapping: state)
    content?.restore(to: memory)
    table = NodeTable(try SharedState(descriptor: state))
  }

  /// Another worker takes over.
  func restart() throws { table = NodeTable(try SharedState(descriptor: state)) }

  /// As a worker of version 3 comes and goes: it knows nothing of index and chains.
  func serveByVersion3(_ body: () -> Void) {
    memory.add32(1, at: SharedStateLayout.workerGenerationOffset)
    body()
  }

  func slot(_ node: NodeID) -> NodeSlot { NodeSlot(memory, index: UInt32(node - 1)) }

  /// Header and nodes as they are at one moment.
  struct Snapshot: Sendable {
    fileprivate let header: [UInt8]
    fileprivate let nodes: [UInt8]

    init(_ memory: SharedMemory) {
      header = memory.bytes(at: 0, count: SharedStateLayout.pendingNamesOffset)
      nodes = memory.bytes(
        at: SharedStateLayout.nodesOffset, count: memory.byteCount - SharedStateLayout.nodesOffset)
    }

    func restore(to memory: SharedMemory) {
      memory.write(header, at: 0)
      memory.write(nodes, at: SharedStateLayout.nodesOffset)
    }
  }
}

// MARK: - Keys

enum Keys {
  /// Hashes with the same first bits come into the same few chains of the first level.
  private static func collides(_ hash: UInt64) -> Bool { firstBucket(hash) < 3 }

  /// Of the first level.
  static func firstBucket(_ hash: UInt64) -> Int { Int((hash &* 0x9E37_79B9_7F4A_7C15) >> 53) }

  /// Keys whose chains are long.
  static func identities(_ count: Int) -> [NodeKey] { Array(identities.prefix(count)) }
  private static let identities = colliding(80) { identity($0) }

  /// The same, by name.
  static func names(_ count: Int) -> [NodeKey] { Array(names.prefix(count)) }
  private static let names = colliding(20) { name(FileName(bytes: "n\($0)".utf8), inode: $0) }

  private static func colliding(_ count: Int, _ key: (UInt64) -> NodeKey) -> [NodeKey] {
    var keys: [NodeKey] = []
    var number: UInt64 = 0
    while keys.count < count {
      number += 1
      let key = key(number)
      if collides(key.hash) { keys.append(key) }
    }
    return keys
  }

  static func identity(_ number: UInt64) -> NodeKey {
    var words = InlineArray<16, UInt64>(repeating: 0)
    words[0] = number
    return .identity(NodeIdentity(kind: 1, length: 8, words: words))
  }

  static func name(_ name: FileName, inode: UInt64) -> NodeKey {
    .named(parent: rootNode, parentGeneration: 0, name: name, inode: inode)
  }
}

// MARK: - What must hold between two operations

extension Nodes {
  /// What is wrong with index and free slots, as seen without the code that keeps them: every node is in its chain, every
  /// other slot among the free ones, each once.
  func problems() -> [String] {
    var problems: [String] = []
    let highWater = memory.load(UInt32.self, at: SharedStateLayout.highWaterOffset)
    var chainOf: [UInt32: Int] = [:]
    for level in SharedStateLayout.indexLevels(maxNodes: maxNodes) {
      for bucket in 0..<1 << level.bits {
        var next = memory.load(UInt32.self, at: level.offset + 4 * bucket)
        while next != 0 {
          guard next < highWater, chainOf[next] == nil else {
            problems.append("slot \(next) is in chain \(bucket) and must not be")
            break
          }
          chainOf[next] = level.offset + 4 * bucket
          next = NodeSlot(memory, index: next).load32(NodeSlot.next)
        }
      }
    }
    var free: Set<UInt32> = []
    var next = memory.load(UInt32.self, at: SharedStateLayout.freeSlotsOffset)
    while next != 0, next < highWater, free.insert(next).inserted {
      next = NodeSlot(memory, index: next).load32(NodeSlot.next)
    }
    if next != 0 { problems.append("the chain of free slots has no end") }
    for index in 1..<max(1, highWater) {
      let slot = NodeSlot(memory, index: index)
      let isIndexed = slot.lookups > 0 && slot.key != nil
      if (chainOf[index] != nil) != isIndexed { problems.append("slot \(index) is in a chain: \(!isIndexed)") }
      if free.contains(index) != (slot.lookups == 0) { problems.append("slot \(index) is free: \(slot.lookups > 0)") }
      if slot.isUsed != (slot.lookups > 0) { problems.append("slot \(index) is used: \(slot.isUsed)") }
      if isIndexed, let key = slot.key, table.find(key) != slot.node { problems.append("slot \(index) is not found") }
    }
    for number in 0..<SharedStateLayout.slotMoveCount
    where memory.load(UInt32.self, at: SharedStateLayout.slotMovesOffset + 4 * number) != 0 {
      problems.append("note \(number) is left")
    }
    return problems
  }
}

/// Takes the memory as a worker leaves it that dies before one of its stores, whichever thread makes it.
final class Deaths: Sendable {
  private struct State {
    var storesLeft: Int
    var snapshot: Nodes.Snapshot?
  }

  private let memory: SharedMemory
  private let state: Mutex<State>

  /// - Parameter store: the first is 0.
  init(_ memory: SharedMemory, before store: Int) {
    self.memory = memory
    state = Mutex(State(storesLeft: store))
  }

  var snapshot: Nodes.Snapshot? { state.withLock { $0.snapshot } }

  func run(_ body: () -> Void) {
    NodeStores.$gate.withValue({ @Sendable [self] store in
      state.withLock { state in
        if state.storesLeft == 0 { state.snapshot = Nodes.Snapshot(memory) }
        state.storesLeft -= 1
        store()
      }
    }) { body() }
  }
}
