import LinuxSystem
import VolumeModel

/// The index from identity to slot, in shared memory: chains of slots by hash. A worker finds it as the one before left it,
/// so that its start does not depend on the number of nodes.
///
/// A chain is changed by one store of one link: a worker that dies leaves it with the slot or without. What stands in the
/// links is untrusted all the same: a walk ends at a slot that does not belong there or comes twice, and cuts it off.
///
/// Chains whose hashes have the same first bits (`shard`) are used by one thread at a time.
struct NodeIndex: Sendable {
  private struct Level {
    var firstSlot: UInt32 = .max
    var shift: UInt64 = 63
    var offset = 0
  }

  private static let levelCount = 3

  private let memory: SharedMemory
  private let maxNodes: UInt32
  private let levels: InlineArray<3, Level>

  init(_ memory: SharedMemory, maxNodes: UInt32) {
    self.memory = memory
    self.maxNodes = maxNodes
    var levels = InlineArray<3, Level>(repeating: Level())
    for (number, level) in SharedStateLayout.indexLevels(maxNodes: maxNodes).enumerated() {
      levels[number] = Level(firstSlot: level.firstSlot, shift: UInt64(64 - level.bits), offset: level.offset)
    }
    self.levels = levels
  }

  /// The hash with its first bits depending on all others.
  @inline(__always) private static func mixed(_ hash: UInt64) -> UInt64 { hash &* 0x9E37_79B9_7F4A_7C15 }

  @inline(__always) static func shard(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: mixed(hash) >> 58) }

  @inline(__always) private func level(of index: UInt32) -> Int {
    index < levels[1].firstSlot ? 0 : index < levels[2].firstSlot ? 1 : 2
  }

  /// Where the first link of the chain is.
  @inline(__always) private func head(_ hash: UInt64, _ level: Int) -> Int {
    levels[level].offset + 4 * Int(truncatingIfNeeded: Self.mixed(hash) >> levels[level].shift)
  }

  func find(_ key: NodeKey, hash: UInt64) -> UInt32? {
    // Most nodes of a large table are in its last level.
    let highWater = min(memory.loadRelaxed32(at: SharedStateLayout.highWaterOffset), maxNodes)
    var level = level(of: max(1, highWater) - 1)
    while level >= 0 {
      let found = first(hash, level) { index, found in
        found == hash && NodeSlot(memory, index: index).matches(key)
      }
      if let found { return found.index }
      level -= 1
    }
    return nil
  }

  /// Goes along a chain to the slot that is wanted.
  /// - Returns: it, and where the link to it is.
  @inline(__always)
  private func first(
    _ hash: UInt64, _ level: Int, where isWanted: (_ index: UInt32, _ hash: UInt64) -> Bool
  ) -> (index: UInt32, link: Int)? {
    let (firstSlot, shift) = (levels[level].firstSlot, levels[level].shift)
    let end = level + 1 < Self.levelCount ? min(levels[level + 1].firstSlot, maxNodes) : maxNodes
    let chain = Self.mixed(hash) >> shift
    let head = levels[level].offset + 4 * Int(truncatingIfNeeded: chain)
    var link = head
    // Brent's way to notice a circle: a slot that is remembered for twice as long each time.
    var (remembered, steps, limit): (UInt32, Int, Int) = (0, 0, 8)
    while true {
      let index = memory.loadAcquiring32(at: link)
      if index == 0 { return nil }
      if index == remembered {
        openCircle(head)
        return nil
      }
      guard index >= firstSlot, index < end else { break }
      let base = NodeSlot.base(index)
      let found = memory.loadRelaxed64(at: base + NodeSlot.hash)
      guard memory.loadRelaxed32(at: base + NodeSlot.state) == NodeSlot.used, Self.mixed(found) >> shift == chain else {
        break
      }
      if isWanted(index, found) { return (index, link) }
      link = base + NodeSlot.next
      steps += 1
      if steps == limit { (remembered, steps, limit) = (index, 0, limit * 2) }
    }
    // No worker wrote that. What has been seen stays.
    memory.put(UInt32(0), at: link)
    return nil
  }

  /// Cuts a circle where it closes, so that all that is in it stays.
  @inline(never) private func openCircle(_ head: Int) {
    var seen: Set<UInt32> = [0]
    var link = head
    while true {
      let index = memory.loadRelaxed32(at: link)
      guard index < maxNodes, seen.insert(index).inserted else { return memory.put(UInt32(0), at: link) }
      link = NodeSlot.base(index) + NodeSlot.next
    }
  }

  /// Adds a slot that is used and in no chain.
  func insert(_ slot: NodeSlot, hash: UInt64) {
    let head = head(hash, level(of: slot.index))
    memory.put(memory.loadRelaxed32(at: head), at: slot.base + NodeSlot.next)
    memory.put(slot.index, at: head)
  }

  func contains(_ slot: NodeSlot, hash: UInt64) -> Bool {
    first(hash, level(of: slot.index)) { index, _ in index == slot.index } != nil
  }

  /// Takes a slot out, if it is in.
  func remove(_ slot: NodeSlot, hash: UInt64) {
    let found = first(hash, level(of: slot.index)) { index, _ in index == slot.index }
    if let found { memory.put(slot.load32(NodeSlot.next), at: found.link) }
  }

  /// Empties the chains of all slots below `highWater`; no others were ever used.
  func clear(below highWater: UInt32) {
    for number in 0...level(of: max(1, highWater) - 1) {
      memory.clear(at: levels[number].offset, count: 4 << (64 - Int(levels[number].shift)))
    }
  }
}
