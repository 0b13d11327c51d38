/// Who waits for room in a buffer pool, and who gets it first: a value. Whose file holds least comes first, and among those
/// of one file who came first, so that one file with many readers keeps no other waiting for long.
struct RoomQueue: Sendable {
  struct Entry: Sendable, Hashable {
    var ticket: UInt64
    var owner: ObjectIdentifier
    /// Bytes wanted.
    var bytes: Int
  }

  private(set) var entries: [Entry] = []
  private var lastTicket: UInt64 = 0

  var isEmpty: Bool { entries.isEmpty }

  mutating func add(_ owner: ObjectIdentifier, bytes: Int) -> UInt64 {
    lastTicket += 1
    entries.append(Entry(ticket: lastTicket, owner: owner, bytes: bytes))
    return lastTicket
  }

  mutating func remove(_ ticket: UInt64) { entries.removeAll { $0.ticket == ticket } }

  /// Takes out who comes first, when that much is free; nobody overtakes who needs more.
  mutating func next(free: Int, held: (ObjectIdentifier) -> Int) -> Entry? {
    var best: (index: Int, held: Int)?
    for index in entries.indices {
      let held = held(entries[index].owner)
      if best.map({ held < $0.held }) ?? true { best = (index, held) }
    }
    guard let best, entries[best.index].bytes <= free else { return nil }
    return entries.remove(at: best.index)
  }
}
