import PageStore

/// Least recently used, for comparison: a queue in which what is used again has a newer place.
struct LRU<Payload: Sendable>: EvictionPolicy {
  private var entries: [UInt64: (payload: Payload, cost: Int64, ticket: UInt64)] = [:]
  private var order: [(key: UInt64, ticket: UInt64)] = []
  private var head = 0
  private var next: UInt64 = 0
  private(set) var cost: Int64 = 0
  var count: Int { entries.count }

  func contains(_ key: UInt64) -> Bool { entries[key] != nil }

  mutating func insert(_ key: UInt64, _ payload: Payload, cost: Int64) {
    next += 1
    entries[key] = (payload, cost, next)
    order.append((key, next))
    self.cost += cost
  }

  mutating func touch(_ key: UInt64) {
    next += 1
    entries[key]?.ticket = next
    order.append((key, next))
  }

  mutating func takeVictim() -> (key: UInt64, payload: Payload, cost: Int64)? {
    while head < order.count {
      let place = order[head]
      head += 1
      if head > 1 << 20 {
        order.removeFirst(head)
        head = 0
      }
      guard let entry = entries[place.key], entry.ticket == place.ticket else { continue }
      entries[place.key] = nil
      cost -= entry.cost
      return (place.key, entry.payload, entry.cost)
    }
    return nil
  }

  mutating func remove(_ key: UInt64) -> (payload: Payload, cost: Int64)? {
    guard let entry = entries.removeValue(forKey: key) else { return nil }
    cost -= entry.cost
    return (entry.payload, entry.cost)
  }
}

/// CLOCK: first in, first out, with a second chance for what was read since.
struct SecondChance<Payload: Sendable>: EvictionPolicy {
  private var entries: [UInt64: (payload: Payload, cost: Int64, wasRead: Bool)] = [:]
  private var order: [UInt64] = []
  private var head = 0
  private(set) var cost: Int64 = 0
  var count: Int { entries.count }

  func contains(_ key: UInt64) -> Bool { entries[key] != nil }

  mutating func insert(_ key: UInt64, _ payload: Payload, cost: Int64) {
    entries[key] = (payload, cost, false)
    order.append(key)
    self.cost += cost
  }

  mutating func touch(_ key: UInt64) { entries[key]?.wasRead = true }

  mutating func takeVictim() -> (key: UInt64, payload: Payload, cost: Int64)? {
    while head < order.count {
      let key = order[head]
      head += 1
      if head > 1 << 20 {
        order.removeFirst(head)
        head = 0
      }
      guard let entry = entries[key] else { continue }
      if entry.wasRead {
        entries[key]?.wasRead = false
        order.append(key)
        continue
      }
      entries[key] = nil
      cost -= entry.cost
      return (key, entry.payload, entry.cost)
    }
    return nil
  }

  mutating func remove(_ key: UInt64) -> (payload: Payload, cost: Int64)? {
    guard let entry = entries.removeValue(forKey: key) else { return nil }
    cost -= entry.cost
    return (entry.payload, entry.cost)
  }
}
