import LinuxSystem
import TestSupport
import Testing
import VolumeModel

@testable import VolumeFileSystem

@Suite("an index in which anything may stand", .requiresRoot)
struct DamagedNodesTests {
  private let keys = Keys.identities(40)

  /// Nodes of the first half of the keys, some of them forgotten.
  private func prepared(_ random: inout SeededGenerator) throws -> (Nodes, [Int: NodeID]) {
    let nodes = try Nodes(maxNodes: 64)
    var known: [Int: NodeID] = [:]
    for number in 0..<20 { known[number] = try nodes.table.acquire(keys[number]).node }
    for number in 0..<20 where random.oneIn(3) {
      guard let node = known.removeValue(forKey: number), let forgotten = nodes.table.forget(node, 1) else { continue }
      nodes.table.recycle(forgotten)
    }
    return (nodes, known)
  }

  /// Offsets of all that leads to slots.
  private func links(_ nodes: Nodes) -> [Int] {
    let heads = keys.map {
      SharedStateLayout.indexLevels(maxNodes: nodes.maxNodes)[0].offset + 4 * Keys.firstBucket($0.hash)
    }
    return heads + (0..<nodes.maxNodes).map { NodeSlot(nodes.memory, index: $0).base + NodeSlot.next }
      + (0..<SharedStateLayout.slotMoveCount).map { SharedStateLayout.slotMovesOffset + 4 * $0 }
      + [SharedStateLayout.freeSlotsOffset, SharedStateLayout.namedNodesOffset]
      + (0..<SharedStateLayout.openCountParts).map { SharedStateLayout.openCount($0) }
  }

  @Test("no walk is without an end, no node is another one's, and no number stands for two", arguments: 1...60)
  func anything(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let (nodes, known) = try prepared(&random)
    let links = links(nodes)
    for _ in 0..<Int.random(in: 1...400, using: &random) {
      let values: [UInt32] = [
        0, 1, 63, 64, .max, .random(in: .min ... .max, using: &random), .random(in: 0..<24, using: &random),
        .random(in: 0..<64, using: &random),
      ]
      nodes.memory.store(values.randomElement(using: &random) ?? 0, at: links.randomElement(using: &random) ?? 64)
    }
    if random.oneIn(2) { try nodes.restart() }
    try use(nodes, known, seed, &random)
    try nodes.restart()
    try use(nodes, known, seed, &random)
  }

  private func use(_ nodes: Nodes, _ known: [Int: NodeID], _ seed: UInt64, _ random: inout SeededGenerator) throws {
    var keyOf: [NodeID: Int] = [:]
    for (number, node) in known { keyOf[node] = number }
    var held: [NodeID] = []
    for _ in 0..<300 {
      let number = Int.random(in: 0..<keys.count, using: &random)
      if random.oneIn(3), let node = held.popLast() {
        if let forgotten = nodes.table.forget(node, 1) {
          nodes.table.recycle(forgotten)
          keyOf[node] = nil
        }
        continue
      }
      guard let node = try? nodes.table.acquire(keys[number]).node else { continue }
      held.append(node)
      #expect(nodes.slot(node).matches(keys[number]), "seed \(seed)")
      #expect(keyOf[node] == nil || keyOf[node] == number, "seed \(seed): node \(node) stands for two")
      keyOf[node] = number
    }
    for (number, node) in known { #expect(nodes.slot(node).matches(keys[number]), "seed \(seed)") }
    for node in held { if let forgotten = nodes.table.forget(node, 1) { nodes.table.recycle(forgotten) } }
  }

  @Test("a circle is cut where it closes, and all that was in it is found")
  func circle() throws {
    let nodes = try Nodes(maxNodes: 64)
    let keys = Keys.identities(50)
    for key in keys { _ = try nodes.table.acquire(key) }
    for level in SharedStateLayout.indexLevels(maxNodes: 64) {
      for bucket in 0..<1 << level.bits {
        let head = nodes.memory.load(UInt32.self, at: level.offset + 4 * bucket)
        var last = head
        while last != 0 {
          let next = NodeSlot(nodes.memory, index: last).load32(NodeSlot.next)
          if next == 0 { break }
          last = next
        }
        if head != 0 { NodeSlot(nodes.memory, index: last).store32(head, NodeSlot.next) }
      }
    }
    // Of the same chains: each is walked to its end.
    for key in Keys.identities(80).dropFirst(50) { #expect(nodes.table.find(key) == nil) }
    for (number, key) in keys.enumerated() { #expect(nodes.table.find(key) == NodeID(number) + 2) }
    #expect(nodes.problems() == [])
  }

  @Test("a free slot that is in its chain twice is given away once")
  func freeTwice() throws {
    let nodes = try Nodes(maxNodes: 64)
    for key in keys.prefix(3) { _ = try nodes.table.acquire(key) }
    for node in [NodeID(2), 3, 4] { nodes.table.recycle(try #require(nodes.table.forget(node, 1))) }
    nodes.slot(2).store32(3, NodeSlot.next)
    var given: Set<NodeID> = []
    for key in keys.prefix(10) { #expect(given.insert(try nodes.table.acquire(key).node).inserted) }
  }

  @Test("a mark that is too low gives no used slot away")
  func lowMark() throws {
    let nodes = try Nodes(maxNodes: 64)
    var nodeOf: [NodeID] = []
    for key in keys.prefix(10) { nodeOf.append(try nodes.table.acquire(key).node) }
    nodes.memory.store(UInt32(2), at: SharedStateLayout.highWaterOffset)
    try nodes.restart()
    for key in keys.suffix(10) { #expect(!nodeOf.contains(try nodes.table.acquire(key).node)) }
    for (key, node) in zip(keys, nodeOf) { #expect(nodes.slot(node).matches(key)) }
  }
}
