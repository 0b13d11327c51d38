package import LinuxSystem
import SystemPackage

/// Pages that somebody in this process fetches: one at a time for each page.
final class Flights: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state, that of the flights too, is touched only under `monitor`.

  /// One page on its way.
  final class Flight: @unchecked Sendable {
    // SAFETY (Sendable): as that of the table.
    let file: CachedFile
    let page: Int64
    fileprivate let changed: Condition
    fileprivate var content: (any PageContent)?
    fileprivate var isOver = false
    /// What keeps other processes from it meanwhile.
    fileprivate var lock: FlightLocks?

    fileprivate init(file: CachedFile, page: Int64, changed: Condition) {
      self.file = file
      self.page = page
      self.changed = changed
    }

    /// By which other processes know it.
    var key: UInt64 { file.id.key(page: page) }
  }

  private struct Key: Hashable {
    var file: ObjectIdentifier
    var page: Int64
  }

  private let monitor: Monitor
  private var flights: [Key: Flight] = [:]

  init() { monitor = Monitor() }

  /// Begins a flight, unless one is on.
  func begin(_ file: CachedFile, page: Int64) -> (flight: Flight, isNew: Bool) {
    let key = Key(file: ObjectIdentifier(file), page: page)
    return monitor.locked {
      if let flight = flights[key] { return (flight, false) }
      let flight = Flight(file: file, page: page, changed: Condition(of: monitor))
      flights[key] = flight
      return (flight, true)
    }
  }

  /// Whether somebody in this process fetches or writes the page.
  func isOn(_ file: CachedFile, page: Int64) -> Bool {
    monitor.locked { flights[Key(file: ObjectIdentifier(file), page: page)] != nil }
  }

  /// The flight holds the lock of its page until it is over.
  func holdsLock(_ flight: Flight, _ lock: FlightLocks) { monitor.locked { flight.lock = lock } }

  /// Those that wait have the bytes at once, before they are on disk.
  func arrived(_ flight: Flight, with content: any PageContent) {
    monitor.locked {
      flight.content = content
      flight.changed.broadcast()
    }
  }

  /// Ends it when nothing has come: whoever had the right to bring it has given up.
  func endUnlessArrived(_ flight: Flight) {
    if monitor.locked({ flight.content == nil }) { end(flight) }
  }

  /// The page is on disk, or is not going to be.
  func end(_ flight: Flight) {
    let lock = monitor.locked { () -> FlightLocks? in
      guard !flight.isOver else { return nil }
      flight.isOver = true
      flights[Key(file: ObjectIdentifier(flight.file), page: flight.page)] = nil
      flight.changed.broadcast()
      defer { flight.lock = nil }
      return flight.lock
    }
    lock?.release(flight.key)
  }

  func wait(for flight: Flight, until deadline: Deadline) -> PageWait.Outcome {
    monitor.locked {
      while true {
        if let content = flight.content { return .bytes(content) }
        if flight.isOver { return .tryAgain }
        if !flight.changed.wait(until: deadline), flight.content == nil, !flight.isOver { return .timedOut }
      }
    }
  }

  /// Until the page is on disk or is not going to be. - Returns: false when the deadline passed first.
  func waitForEnd(of flight: Flight, until deadline: Deadline) -> Bool {
    monitor.locked {
      while !flight.isOver { if !flight.changed.wait(until: deadline) { return flight.isOver } }
      return true
    }
  }

  /// Sleeps for so long, or until the deadline.
  func pause(_ duration: Duration, until deadline: Deadline) {
    let condition = Condition(of: monitor)
    let end = min(Deadline.after(duration), deadline)
    monitor.locked { while !end.hasPassed { condition.wait(until: end) } }
  }
}

/// Somebody else fetches the page.
package struct PageWait: Sendable {
  /// What came of it.
  package enum Outcome: Sendable {
    /// The page itself, whole.
    case bytes(any PageContent)
    /// It ended there: read again, and begin a fill when that misses.
    case tryAgain
    /// Fetch it and do not keep it.
    case timedOut
  }

  enum Holder: Sendable {
    case flight(Flights.Flight)
    case process(FlightLocks, key: UInt64)
    /// Somebody has brought it already.
    case nobody
  }

  let holder: Holder
  let flights: Flights

  /// Waits on the caller's thread, at most until `deadline`.
  package func wait(until deadline: Deadline) -> Outcome {
    switch holder {
    case .flight(let flight): flights.wait(for: flight, until: deadline)
    case .process(let locks, let key): waitForProcess(locks, key, deadline)
    case .nobody: .tryAgain
    }
  }

  /// Waits on the caller's thread until the page can be read from the store, or nobody brings it.
  /// - Returns: false when the deadline passed first.
  package func waitForEnd(until deadline: Deadline) -> Bool {
    switch holder {
    case .flight(let flight): return flights.waitForEnd(of: flight, until: deadline)
    case .process(let locks, let key):
      if case .tryAgain = waitForProcess(locks, key, deadline) { return true }
      return false
    case .nobody: return true
    }
  }

  /// The kernel tells nobody when such a lock comes free but one that waits for it without an end.
  private func waitForProcess(_ locks: FlightLocks, _ key: UInt64, _ deadline: Deadline) -> Outcome {
    var nap: Duration = .milliseconds(1)
    while !deadline.hasPassed {
      if !locks.isTaken(key) { return .tryAgain }
      flights.pause(nap, until: deadline)
      nap = min(nap * 2, .milliseconds(16))
    }
    return .timedOut
  }
}

/// The right, and the duty, to bring one page. Ends with ``commit(_:)``, ``abandon()`` or its own end, which abandons.
package struct PageFill: ~Copyable, Sendable {
  private let flight: Flights.Flight
  private let store: PageStore

  init(_ flight: Flights.Flight, store: PageStore) {
    self.flight = flight
    self.store = store
  }

  deinit { store.abandon(flight) }

  /// The page's length in bytes.
  package var byteCount: Int { flight.file.pageLength(flight.page) }

  /// Hands the page over: it is written later or, when the disk is behind, not at all. Those that wait have it at once.
  package consuming func commit(_ content: any PageContent) {
    precondition(content.byteCount == byteCount, "a page is filled with other than its bytes")
    store.commit(flight, content)
  }

  /// The page does not come: the next one may try.
  package consuming func abandon() {}
}

/// What a reader is to do with a page that is not there.
package enum FillStart: ~Copyable {
  case ours(PageFill)
  case elsewhere(PageWait)
  /// Fetch it and do not keep it.
  case refused
}
