import LinuxSystem

/// Part of the index from identity to slot: a hash table with linear probing over slot numbers. The hashes and identities
/// themselves are in the slots. Used under the lock of its owner.
struct NodeIndex: Sendable {
  /// Slot number + 1; 0: empty.
  private var cells: [UInt32] = []
  private(set) var count = 0

  private static func start(_ hash: UInt64, _ mask: Int) -> Int { Int(truncatingIfNeeded: hash >> 8) & mask }

  func find(_ key: NodeKey, hash: UInt64, in memory: SharedMemory) -> UInt32? {
    guard !cells.isEmpty else { return nil }
    let mask = cells.count - 1
    var cell = Self.start(hash, mask)
    while cells[cell] != 0 {
      let slot = NodeSlot(memory, index: cells[cell] - 1)
      if slot.load64(NodeSlot.hash) == hash, slot.matches(key) { return cells[cell] - 1 }
      cell = (cell + 1) & mask
    }
    return nil
  }

  mutating func insert(_ index: UInt32, hash: UInt64, in memory: SharedMemory) {
    // At most three quarters full.
    if (count + 1) * 4 > cells.count * 3 { grow(memory) }
    place(index, hash: hash)
    count += 1
  }

  private mutating func place(_ index: UInt32, hash: UInt64) {
    let mask = cells.count - 1
    var cell = Self.start(hash, mask)
    while cells[cell] != 0 { cell = (cell + 1) & mask }
    cells[cell] = index + 1
  }

  private mutating func grow(_ memory: SharedMemory) {
    let old = cells
    cells = [UInt32](repeating: 0, count: max(16, old.count * 2))
    for cell in old where cell != 0 {
      place(cell - 1, hash: NodeSlot(memory, index: cell - 1).load64(NodeSlot.hash))
    }
  }

  /// Removes a slot that is in the table under `hash`, and closes the gap that it leaves.
  mutating func remove(_ index: UInt32, hash: UInt64, in memory: SharedMemory) {
    guard !cells.isEmpty else { return }
    let mask = cells.count - 1
    var gap = Self.start(hash, mask)
    while cells[gap] != index + 1 {
      if cells[gap] == 0 { return }
      gap = (gap + 1) & mask
    }
    var next = gap
    while true {
      next = (next + 1) & mask
      if cells[next] == 0 { break }
      let home = Self.start(NodeSlot(memory, index: cells[next] - 1).load64(NodeSlot.hash), mask)
      // The cell may move to the gap unless its home lies behind the gap.
      if (next - home) & mask >= (next - gap) & mask {
        cells[gap] = cells[next]
        gap = next
      }
    }
    cells[gap] = 0
    count -= 1
  }
}
