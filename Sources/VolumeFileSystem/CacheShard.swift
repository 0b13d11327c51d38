import UnderFileSystem

/// What is open of one node.
struct CacheEntry: Sendable {
  var node: NodeID
  var reference: (any UnderNode)?
  var reader: (any OpenFile)?
  var writer: (any OpenFile)?
  /// Used since the clock's hand last passed.
  var isRecent = true
  var isPinned = false

  var descriptorCount: Int { (reference == nil ? 0 : 1) + (reader == nil ? 0 : 1) + (writer == nil ? 0 : 1) }
}

/// A part of the cache, used under its lock: entries in slots, found by node number, closed in the order of a clock (second
/// chance), which needs no list to be relinked when an entry is used.
struct CacheShard: Sendable {
  private let capacity: Int
  /// Entry of node n at n / 16, + 1; 0: none. Grows with the highest node number.
  private var entryOfNode: [UInt32] = []
  private var entries: [CacheEntry?] = []
  private var freeEntries: [Int] = []
  private var hand = 0
  private(set) var descriptorCount = 0

  init(capacity: Int) { self.capacity = capacity }

  @inline(__always) private func find(_ node: NodeID) -> Int? {
    let cell = Int(truncatingIfNeeded: node >> 4)
    guard cell < entryOfNode.count, entryOfNode[cell] != 0 else { return nil }
    return Int(entryOfNode[cell]) - 1
  }

  @inline(__always) mutating func file(_ node: NodeID, _ access: FileAccess) -> (any OpenFile)? {
    guard let index = find(node) else { return nil }
    entries[index]?.isRecent = true
    if access == .read, let reader = entries[index]?.reader { return reader }
    return entries[index]?.writer
  }

  mutating func reference(_ node: NodeID) -> (any UnderNode)? {
    guard let index = find(node) else { return nil }
    entries[index]?.isRecent = true
    return entries[index]?.reference
  }

  mutating func insert(_ file: any OpenFile, for node: NodeID) -> any OpenFile {
    let index = findOrMake(node)
    entries[index]?.isRecent = true
    if file.access == .read {
      if let present = entries[index]?.reader { return present }
      entries[index]?.reader = file
    } else {
      if let present = entries[index]?.writer { return present }
      entries[index]?.writer = file
    }
    descriptorCount += 1
    return file
  }

  mutating func insert(_ reference: any UnderNode, for node: NodeID) -> any UnderNode {
    let index = findOrMake(node)
    entries[index]?.isRecent = true
    if let present = entries[index]?.reference { return present }
    entries[index]?.reference = reference
    descriptorCount += 1
    return reference
  }

  private mutating func findOrMake(_ node: NodeID) -> Int {
    if let index = find(node) { return index }
    let cell = Int(truncatingIfNeeded: node >> 4)
    if cell >= entryOfNode.count {
      entryOfNode += [UInt32](repeating: 0, count: max(64, cell + 1 + entryOfNode.count / 2) - entryOfNode.count)
    }
    let entry = CacheEntry(node: node)
    let index: Int
    if let free = freeEntries.popLast() {
      index = free
      entries[index] = entry
    } else {
      index = entries.count
      entries.append(entry)
    }
    entryOfNode[cell] = UInt32(index + 1)
    return index
  }

  mutating func pin(_ node: NodeID) {
    if let index = find(node) { entries[index]?.isPinned = true }
  }

  /// - Returns: what was open, to be closed when the caller lets go of it outside the lock.
  mutating func drop(_ node: NodeID) -> CacheEntry? {
    guard let index = find(node), let entry = entries[index] else { return nil }
    entries[index] = nil
    entryOfNode[Int(node >> 4)] = 0
    freeEntries.append(index)
    descriptorCount -= entry.descriptorCount
    return entry
  }

  /// - Returns: the files that no open needs, to be closed outside the lock.
  mutating func release(_ node: NodeID, opens: UInt32, writers: UInt32) -> [any OpenFile] {
    guard let index = find(node), let entry = entries[index] else { return [] }
    var dropped: [any OpenFile] = []
    // A writer that is the only thing open goes on serving readers: it may be the last way to an unlinked file.
    if writers == 0, let writer = entry.writer, opens == 0 || entry.reader != nil {
      entries[index]?.writer = nil
      dropped.append(writer)
    }
    if opens == 0 {
      entries[index]?.isPinned = false
      if let reader = entry.reader {
        entries[index]?.reader = nil
        dropped.append(reader)
      }
    }
    descriptorCount -= dropped.count
    if entries[index]?.descriptorCount == 0 { _ = drop(node) }
    return dropped
  }

  /// Takes entries out until the bound holds or the clock has gone round twice.
  /// - Returns: what to close outside the lock.
  mutating func evict(mayClose: (NodeID) -> Bool, isUnlinked: (any OpenFile) -> Bool) -> [CacheEntry] {
    var closed: [CacheEntry] = []
    var steps = entries.count * 2
    while descriptorCount > capacity, steps > 0 {
      steps -= 1
      hand = hand + 1 < entries.count ? hand + 1 : 0
      guard let entry = entries[hand] else { continue }
      if entry.isRecent {
        entries[hand]?.isRecent = false
        continue
      }
      if entry.isPinned { continue }
      if let file = entry.writer ?? entry.reader {
        guard mayClose(entry.node) else { continue }
        if isUnlinked(file) {
          entries[hand]?.isPinned = true
          continue
        }
      }
      if let dropped = drop(entry.node) { closed.append(dropped) }
    }
    return closed
  }
}
