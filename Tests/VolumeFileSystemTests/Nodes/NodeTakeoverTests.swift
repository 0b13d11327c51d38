import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

@Suite("nodes that a worker finds", .requiresRoot)
struct NodeTakeoverTests {
  @Test("their numbers, free slots and counts are those of before, on all levels of the index")
  func manyNodes() throws {
    let nodes = try Nodes(maxNodes: 1 << 17)
    let count: UInt64 = 70_000
    for number in 1...count { _ = try nodes.table.acquire(Keys.identity(number)) }
    for number in stride(from: UInt64(1), through: count, by: 7) {
      let node = try #require(nodes.table.find(Keys.identity(number)))
      nodes.table.recycle(try #require(nodes.table.forget(node, 1)))
    }
    try nodes.restart()
    for number in 1...count {
      #expect(nodes.table.find(Keys.identity(number)) == (number % 7 == 1 ? nil : NodeID(number) + 1))
    }
    let highWater = nodes.memory.load(UInt32.self, at: SharedStateLayout.highWaterOffset)
    for number in 0..<count / 7 { _ = try nodes.table.acquire(Keys.identity(1 << 32 + number)) }
    #expect(nodes.memory.load(UInt32.self, at: SharedStateLayout.highWaterOffset) == highWater)
    try nodes.restart()
    #expect(nodes.problems() == [])
  }

  @Test("a worker looks at none of them before it serves")
  func notLookedAt() throws {
    let nodes = try Nodes(maxNodes: 64)
    let node = try nodes.table.acquire(Keys.identity(1)).node
    let slot = nodes.slot(node)
    let fields = (0..<Int(SharedStateLayout.slotSize)).map { nodes.memory.load(UInt8.self, at: slot.base + $0) }
    // What would end a worker that believed it, or be changed by one that repaired it.
    nodes.memory.write([UInt8](repeating: 0xff, count: fields.count), at: slot.base)
    try nodes.restart()
    nodes.memory.write(fields, at: slot.base)
    #expect(nodes.table.find(Keys.identity(1)) == node)
    #expect(nodes.problems() == [])
  }

  @Test("a build of version 3 that served in between is followed with an index that is made anew")
  func version3Between() throws {
    let nodes = try Nodes(maxNodes: 64)
    for number in UInt64(1)...10 { _ = try nodes.table.acquire(Keys.identity(number)) }
    nodes.serveByVersion3 {
      // It forgets node 4, gives its slot to another file, forgets 6, and makes a node behind the mark.
      let reused = nodes.slot(4)
      reused.fill(Keys.identity(100), hash: Keys.identity(100).hash)
      reused.store64(1, NodeSlot.lookups)
      nodes.slot(6).store64(0, NodeSlot.lookups)
      nodes.slot(6).publish(NodeSlot.free)
      let new = nodes.slot(12)
      new.fill(Keys.name("n", inode: 7), hash: Keys.name("n", inode: 7).hash)
      new.store64(1, NodeSlot.lookups)
      new.publish(NodeSlot.used)
      _ = nodes.memory.add32(1, at: SharedStateLayout.highWaterOffset)
    }
    try nodes.restart()
    #expect(nodes.problems() == [])
    #expect(nodes.table.find(Keys.identity(3)) == nil)
    #expect(nodes.table.find(Keys.identity(5)) == nil)
    #expect(nodes.table.find(Keys.identity(100)) == 4)
    #expect(nodes.table.find(Keys.name("n", inode: 7)) == 12)
    #expect(nodes.table.hasNamedNodes)
    #expect(try nodes.table.acquire(Keys.identity(200)).node == 6)
  }

  @Test("a state that was made for version 3 gets room for the index")
  func smallState() throws {
    let maxNodes: UInt32 = 4096
    let state = try Memfd.create(name: "nodes-test", byteCount: SharedStateLayout.nodesEnd(maxNodes: maxNodes))
    try state.writeAll(SharedStateLayout.header(maxNodes: maxNodes, initRequest: [], initReply: []) ?? [])
    try Memfd.seal(state, .shrink)
    let table = NodeTable(try SharedState(descriptor: state))
    for number in UInt64(1)...4095 { _ = try table.acquire(Keys.identity(number)) }
    #expect(try Memfd.byteCount(of: state) == SharedStateLayout.size(maxNodes: maxNodes))
    let next = NodeTable(try SharedState(descriptor: state))
    for number in UInt64(1)...4095 { #expect(next.find(Keys.identity(number)) == number + 1) }
    #expect(!next.hasRoom)
  }

  @Test("a state that cannot be made larger is refused")
  func sealedState() throws {
    let state = try Memfd.create(name: "nodes-test", byteCount: SharedStateLayout.nodesEnd(maxNodes: 64))
    try state.writeAll(SharedStateLayout.header(maxNodes: 64, initRequest: [], initReply: []) ?? [])
    try Memfd.seal(state, [.shrink, .grow])
    #expect(throws: Errno.notPermitted) { try SharedState(descriptor: state) }
  }

  @Test("removals of a worker that died are none of the next one's")
  func removals() throws {
    let nodes = try Nodes(maxNodes: 16)
    let node = try nodes.table.acquire(Keys.identity(1)).node
    let slot = nodes.slot(node)
    slot.setHeld(true)
    slot.beginRemoval()
    slot.beginRemoval()
    #expect(slot.isBeingRemoved)
    try nodes.restart()
    #expect(!slot.isBeingRemoved && slot.isHeld)
    // Nor does the end of one that was not begun end another.
    slot.endRemoval()
    slot.beginRemoval()
    #expect(slot.isBeingRemoved)
    slot.endRemoval()
    #expect(!slot.isBeingRemoved && slot.isHeld)
  }

  @Test("a worker knows whether files were left open")
  func openFiles() throws {
    let nodes = try Nodes(maxNodes: 64)
    let slots = try (UInt64(1)...40).map { nodes.slot(try nodes.table.acquire(Keys.identity($0)).node) }
    for slot in slots { slot.addOpen(writer: true) }
    for slot in slots.dropLast() {
      _ = slot.removeOpen(writer: true)
      // A second time, by a worker that did not know.
      _ = slot.removeOpen(writer: true)
    }
    try nodes.restart()
    #expect(nodes.table.tookOverOpenFiles)
    _ = slots.last?.removeOpen(writer: true)
    try nodes.restart()
    #expect(!nodes.table.tookOverOpenFiles)
    // Forgotten without a release.
    slots[3].addOpen(writer: false)
    nodes.table.recycle(try #require(nodes.table.forget(slots[3].node, 1)))
    try nodes.restart()
    #expect(!nodes.table.tookOverOpenFiles)
  }
}
