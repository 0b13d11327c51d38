extension SharedStateLayout {
  /// A part of the index: the heads of chains of slots, 4 bytes each. Which part a slot is in says its number.
  package struct IndexLevel: Sendable {
    /// The slots from here to the next level's are in this one.
    package let firstSlot: UInt32
    /// Of the number of its chains, which is no less than that of its slots.
    package let bits: Int
    /// From the start of the state, in bytes.
    package let offset: Int
  }

  /// Few nodes use few pages: one table for all would spread a thousand nodes over four megabytes. Each level has 32 times
  /// the chains of the one before, so that all but a few nodes of a large table are in the last.
  package static func indexLevels(maxNodes: UInt32) -> [IndexLevel] {
    var offset = (nodesEnd(maxNodes: maxNodes) + 4095) & ~4095
    var levels: [IndexLevel] = []
    let all = UInt32.bitWidth - max(1, maxNodes - 1).leadingZeroBitCount
    for (firstSlot, bits) in [(UInt32(0), 11), (1 << 11, 16), (1 << 16, max(17, all))] where firstSlot < maxNodes {
      levels.append(IndexLevel(firstSlot: firstSlot, bits: bits, offset: offset))
      offset += 4 << bits
    }
    return levels
  }
}
