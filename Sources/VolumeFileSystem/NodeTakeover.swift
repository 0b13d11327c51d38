import LinuxSystem
import VolumeModel

/// What a worker does with the nodes that it finds, before it serves. It looks at none of them but those that the worker before
/// had in its hands when it ended.
struct NodeTakeover {
  private let memory: SharedMemory
  private let state: SharedState
  private let index: NodeIndex
  private let freeSlots: FreeSlots
  private let highWater: UInt32

  init(_ state: SharedState, index: NodeIndex, freeSlots: FreeSlots) {
    self.state = state
    memory = state.memory
    self.index = index
    self.freeSlots = freeSlots
    highWater = min(max(1, memory.loadAcquiring32(at: SharedStateLayout.highWaterOffset)), state.maxNodes)
  }

  /// - Returns: whether files may be open.
  func run() -> Bool {
    let root = NodeSlot(memory, index: 0)
    root.publish(NodeSlot.Form.root)
    root.publish(NodeSlot.used)
    memory.put(highWater, at: SharedStateLayout.highWaterOffset)
    if state.isIndexed { freeSlots.settleMoves(settle) } else { rebuild() }
    return (0..<SharedStateLayout.openCountParts).contains {
      memory.loadRelaxed32(at: SharedStateLayout.openCount($0)) != 0
    }
  }

  /// Puts a slot where its fields say. - Returns: true: it is free.
  private func settle(_ slot: NodeSlot) -> Bool {
    let hash = slot.load64(NodeSlot.hash)
    guard slot.lookups > 0, slot.isUsed else {
      index.remove(slot, hash: hash)
      guard slot.lookups == 0 else { return false }
      slot.endOpens()
      return true
    }
    let hasKey = slot.key != nil
    guard hasKey != index.contains(slot, hash: hash) else { return false }
    if hasKey { index.insert(slot, hash: hash) } else { index.remove(slot, hash: hash) }
    return false
  }

  /// Makes index and free slots anew from the nodes, as the worker before has not kept them: once, when a build of version 3
  /// is followed by this one.
  ///
  /// A count that is too high (a forget died with its worker) only keeps a slot; one that is too low cannot happen.
  private func rebuild() {
    index.clear(below: highWater)
    freeSlots.clear()
    var opens: UInt32 = 0
    // The first slots are the next that are used.
    for number in (1..<max(1, highWater)).reversed() {
      let slot = NodeSlot(memory, index: number)
      guard slot.isUsed, slot.lookups > 0 else {
        slot.lookups = 0
        freeSlots.add(slot)
        continue
      }
      opens &+= slot.load32(NodeSlot.opens)
      slot.endAllRemovals()
      if slot.load32(NodeSlot.form) == NodeSlot.Form.named.rawValue {
        memory.put(UInt32(1), at: SharedStateLayout.namedNodesOffset)
      }
      if slot.key != nil { index.insert(slot, hash: slot.load64(NodeSlot.hash)) }
    }
    for part in 0..<SharedStateLayout.openCountParts {
      memory.put(part == 0 ? opens : 0, at: SharedStateLayout.openCount(part))
    }
    memory.put(state.workerGeneration, at: SharedStateLayout.indexGenerationOffset)
  }
}
