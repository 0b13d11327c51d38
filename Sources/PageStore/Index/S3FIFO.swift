import DequeModule

/// Which page goes next. Values: the caller has the lock.
package protocol EvictionPolicy<Payload>: Sendable {
  associatedtype Payload: Sendable
  init()
  /// A page that was not there.
  mutating func insert(_ key: UInt64, _ payload: Payload, cost: Int64)
  /// A page that is there was read.
  mutating func touch(_ key: UInt64)
  /// Takes the page out that goes next; nil when there is none.
  mutating func takeVictim() -> (key: UInt64, payload: Payload, cost: Int64)?
  /// Takes one page out; nil when it is not there.
  mutating func remove(_ key: UInt64) -> (payload: Payload, cost: Int64)?
  func contains(_ key: UInt64) -> Bool
  /// The pages that are there, and the sum of their costs.
  var count: Int { get }
  var cost: Int64 { get }
}

/// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): new pages pass through a small
/// queue, and what is not read again there goes without disturbing the rest; a page that comes back soon after it went
/// goes to the main queue at once.
///
/// Added to it: what came while there was room for all is in the main queue when the first page has to go. Reads that go
/// round through more than fits, as the epochs of a training, then find most of what fits, and not nothing.
package struct S3FIFO<Payload: Sendable>: EvictionPolicy {
  /// Which queue a page is in.
  package enum Queue: UInt8, Sendable {
    case small
    case main
  }

  private struct Entry: Sendable {
    var payload: Payload
    var cost: Int64
    /// Tells the place in a queue that is meant from those that the page had before.
    var ticket: UInt32
    /// Reads since it was queued, at most 3.
    var reads: UInt8
    var queue: Queue
  }

  private struct Place: Sendable {
    var key: UInt64
    var ticket: UInt32
  }

  private var entries: [UInt64: Entry] = [:]
  private var small = Deque<Place>()
  private var main = Deque<Place>()
  private var smallCost: Int64 = 0
  private var ghosts: Set<UInt64> = []
  private var ghostOrder = Deque<UInt64>()
  private var nextTicket: UInt32 = 0
  /// The sum of the costs.
  package private(set) var cost: Int64 = 0

  /// Reads in the small queue that take a page to the main queue.
  private let promotion: UInt8

  package init() { self.init(promotion: 1) }

  /// For comparisons: 1 to 3 reads.
  package init(promotion: UInt8) { self.promotion = promotion }

  /// How many pages there are.
  package var count: Int { entries.count }
  /// Whether the page is there.
  package func contains(_ key: UInt64) -> Bool { entries[key] != nil }

  /// At the end of the queue that its past gives it.
  package mutating func insert(_ key: UInt64, _ payload: Payload, cost: Int64) {
    let queue: Queue = ghosts.remove(key) != nil ? .main : .small
    insert(key, payload, cost: cost, queue: queue, reads: 0)
  }

  /// As ``insert(_:_:cost:)``, with a past that was remembered.
  package mutating func insert(_ key: UInt64, _ payload: Payload, cost: Int64, queue: Queue, reads: UInt8) {
    guard entries[key] == nil else { return }
    self.cost += cost
    enqueue(key, Entry(payload: payload, cost: cost, ticket: 0, reads: min(3, reads), queue: queue))
  }

  private mutating func enqueue(_ key: UInt64, _ entry: Entry) {
    var entry = entry
    nextTicket &+= 1
    entry.ticket = nextTicket
    entries[key] = entry
    let place = Place(key: key, ticket: nextTicket)
    if entry.queue == .small {
      small.append(place)
      smallCost += entry.cost
    } else {
      main.append(place)
    }
  }

  /// Counts a read.
  package mutating func touch(_ key: UInt64) {
    guard let reads = entries[key]?.reads, reads < 3 else { return }
    entries[key]?.reads = reads + 1
  }

  /// The oldest of the small queue while that has more than a tenth, else the oldest of the main queue that was not read.
  package mutating func takeVictim() -> (key: UInt64, payload: Payload, cost: Int64)? {
    settle()
    while !entries.isEmpty {
      if smallCost * 10 >= cost || main.isEmpty, let place = small.popFirst() {
        guard var entry = current(place) else { continue }
        smallCost -= entry.cost
        if entry.reads >= promotion {
          entry.queue = .main
          entry.reads = 0
          enqueue(place.key, entry)
          continue
        }
        remember(place.key)
        return take(place.key, entry)
      }
      guard let place = main.popFirst() else { return nil }
      guard var entry = current(place) else { continue }
      if entry.reads > 0 {
        entry.reads -= 1
        enqueue(place.key, entry)
        continue
      }
      return take(place.key, entry)
    }
    return nil
  }

  /// The small queue has grown beyond its tenth only while nothing had to go.
  private mutating func settle() {
    guard smallCost * 5 > cost else { return }
    while smallCost * 10 > cost, small.count > 1, let place = small.popFirst() {
      guard var entry = current(place) else { continue }
      smallCost -= entry.cost
      entry.queue = .main
      enqueue(place.key, entry)
    }
  }

  private func current(_ place: Place) -> Entry? {
    guard let entry = entries[place.key], entry.ticket == place.ticket else { return nil }
    return entry
  }

  private mutating func take(_ key: UInt64, _ entry: Entry) -> (key: UInt64, payload: Payload, cost: Int64) {
    entries[key] = nil
    cost -= entry.cost
    return (key, entry.payload, entry.cost)
  }

  private mutating func remember(_ key: UInt64) {
    if ghosts.insert(key).inserted { ghostOrder.append(key) }
    while ghostOrder.count > max(16, entries.count), let old = ghostOrder.popFirst() { ghosts.remove(old) }
  }

  /// Its place in its queue stays and is passed over later.
  package mutating func remove(_ key: UInt64) -> (payload: Payload, cost: Int64)? {
    guard let entry = entries.removeValue(forKey: key) else { return nil }
    cost -= entry.cost
    if entry.queue == .small { smallCost -= entry.cost }
    compact()
    return (entry.payload, entry.cost)
  }

  /// Places that mean nothing any more must not pile up.
  private mutating func compact() {
    guard small.count + main.count > 2 * entries.count + 64 else { return }
    let (oldSmall, oldMain) = (small, main)
    small = Deque(oldSmall.filter { current($0) != nil })
    main = Deque(oldMain.filter { current($0) != nil })
  }

  /// All pages, those that go first in front, for ``insert(_:_:cost:queue:reads:)``.
  package func forEach(_ body: (UInt64, Payload, Queue, UInt8) -> Void) {
    for place in small { if let entry = current(place) { body(place.key, entry.payload, .small, entry.reads) } }
    for place in main { if let entry = current(place) { body(place.key, entry.payload, .main, entry.reads) } }
  }
}
