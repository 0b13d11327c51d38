import LinuxSystem
import Synchronization
import VolumeModel

/// Slots of the node table that no node has: a chain through their links, and what lies behind the high-water mark. All of
/// it is in shared memory, for the next worker.
///
/// A slot on its way between this chain and the index is noted, so that a worker that dies leaves none behind.
final class FreeSlots: Sendable {
  /// The note on one slot; nil in the end where there was no room for it, which costs a slot if the worker dies.
  struct Move: Sendable {
    fileprivate let offset: Int?
  }

  private let memory: SharedMemory
  private let maxNodes: UInt32
  private let lock = Mutex(())

  init(_ memory: SharedMemory, maxNodes: UInt32) {
    self.memory = memory
    self.maxNodes = maxNodes
  }

  private var head: UInt32 { memory.loadAcquiring32(at: SharedStateLayout.freeSlotsOffset) }
  private var highWater: UInt32 { memory.loadAcquiring32(at: SharedStateLayout.highWaterOffset) }

  /// Whether `take` would find one.
  var hasAny: Bool { head != 0 || highWater < maxNodes }

  /// A slot in state `taken`; its user ends the move.
  func take() -> (slot: NodeSlot, move: Move)? {
    lock.withLock { _ in
      if let slot = firstFree() {
        let move = begin(slot)
        slot.publish(NodeSlot.taken)
        memory.put(slot.load32(NodeSlot.next), at: SharedStateLayout.freeSlotsOffset)
        return (slot, move)
      }
      var index = max(1, highWater)
      // A mark that a worker left is never too low: what is in use behind it was damaged.
      while index < maxNodes, !NodeSlot(memory, index: index).isFree { index += 1 }
      guard index < maxNodes else { return nil }
      let slot = NodeSlot(memory, index: index)
      let move = begin(slot)
      memory.put(index + 1, at: SharedStateLayout.highWaterOffset)
      slot.publish(NodeSlot.taken)
      return (slot, move)
    }
  }

  private func firstFree() -> NodeSlot? {
    let index = head
    guard index != 0 else { return nil }
    if index < min(highWater, maxNodes) {
      let slot = NodeSlot(memory, index: index)
      if slot.isFree { return slot }
    }
    // No worker wrote that: what hangs on it is lost for this mount.
    memory.put(UInt32(0), at: SharedStateLayout.freeSlotsOffset)
    return nil
  }

  /// Takes a slot back that is in no chain, and ends its move.
  func give(_ slot: NodeSlot, _ move: Move) {
    lock.withLock { _ in
      push(slot)
      end(move)
    }
  }

  private func push(_ slot: NodeSlot) {
    slot.publish(NodeSlot.free)
    memory.put(head, at: slot.base + NodeSlot.next)
    memory.put(slot.index, at: SharedStateLayout.freeSlotsOffset)
  }

  // MARK: Moves

  private static func moveOffset(_ number: Int) -> Int { SharedStateLayout.slotMovesOffset + 4 * number }

  /// Notes that the slot leaves the chain that its fields say it is in, or comes to it.
  func begin(_ slot: NodeSlot) -> Move {
    for step in 0..<SharedStateLayout.slotMoveCount {
      let offset = Self.moveOffset((Int(slot.index) + step) % SharedStateLayout.slotMoveCount)
      if memory.claim(offset, slot.index) { return Move(offset: offset) }
    }
    return Move(offset: nil)
  }

  func end(_ move: Move) {
    if let offset = move.offset { memory.put(UInt32(0), at: offset) }
  }

  // MARK: Start

  /// Ends what the worker before was about: puts each slot that it had noted where its fields say.
  /// - Parameter settle: gets a slot that is not known to be free; true: it is, and in no chain.
  func settleMoves(_ settle: (NodeSlot) -> Bool) {
    var left: [(slot: NodeSlot, move: Move)] = []
    for number in 0..<SharedStateLayout.slotMoveCount {
      let move = Move(offset: Self.moveOffset(number))
      let index = memory.loadAcquiring32(at: Self.moveOffset(number))
      if index == 0 { continue }
      guard index < min(highWater, maxNodes) else {
        end(move)
        continue
      }
      let slot = NodeSlot(memory, index: index)
      // Slots come and go at the head of the chain, one at a time: this one is in it.
      if index == head, slot.lookups == 0 {
        slot.publish(NodeSlot.free)
        end(move)
      } else {
        left.append((slot, move))
      }
    }
    for (slot, move) in left {
      if settle(slot) { push(slot) }
      end(move)
    }
  }

  /// Starts anew with no free slot but those that are given.
  func clear() {
    memory.put(UInt32(0), at: SharedStateLayout.freeSlotsOffset)
    for number in 0..<SharedStateLayout.slotMoveCount { memory.put(UInt32(0), at: Self.moveOffset(number)) }
  }

  /// Adds a slot while no other thread uses the table.
  func add(_ slot: NodeSlot) { push(slot) }
}
