import LinuxSystem
import Synchronization
import SystemPackage

/// Who holds memory of the pool. The pool calls it without its own lock held.
protocol RoomOwner: AnyObject, Sendable {
  /// Somebody needs room more: gives back what nobody reads, at least `bytes` of it where there is so much.
  func surrender(_ bytes: Int)
  /// The worker ends: wakes who waits.
  func wake()
}

/// All memory for bytes that come over the network, one for a worker and never more than its budget: cells of address
/// space, one for a page, of which grains are used. Who needs room waits for it.
///
/// A cell that nobody uses keeps its pages for the next one, until the pool has been idle for a while or others need them:
/// the pages in memory never exceed the budget either.
///
/// Lock order: a file's, then the pool's.
final class BufferPool: @unchecked Sendable {
  // SAFETY (Sendable): everything below `monitor` is read and written only while it is locked; `wanted` and others are
  // atomic. Who may use which bytes of the memory is the protocol of its cells' holders.
  let memory: AnonymousMemory
  let budget: Int
  let cellSize: Int
  let grain: Int
  /// Read-ahead leaves the rest to readers that wait.
  let aheadLimit: Int
  private let idleTime: Duration
  private let counters: ReadCounters
  /// Whether somebody waits for room: who could give some back does so at once.
  private let wanted = Atomic(false)
  private let ending = Atomic(false)
  private let currentShare: Atomic<Int>

  private let monitor = Monitor()
  private let trimmerWoken: Condition
  private var queue = RoomQueue()
  private var waiters: [UInt64: Waiter] = [:]
  private var owners: [ObjectIdentifier: Holding] = [:]
  /// Bytes of the owners that hold little, and how many hold more.
  private var smallBytes = 0
  private var largeOwners = 0
  private var cells: [Cell]
  private var free: [Int]
  /// Bytes reserved or in use, most ever, and bytes that may be in memory.
  private var used = 0
  private var peak = 0
  private var resident = 0
  private var tick: UInt64 = 0
  private var isTrimming = false

  private struct Holding {
    let owner: any RoomOwner
    var bytes = 0
    var lastUse: UInt64 = 0
  }

  private struct Cell {
    /// Grains that are in use, and those whose pages may be in memory.
    var assigned: UInt64 = 0
    var touched: UInt64 = 0
    var isFree = true
  }

  /// One thread that waits for room. Its state belongs to the pool's lock.
  private final class Waiter: @unchecked Sendable {
    // SAFETY (Sendable): `isGranted` is touched only under the pool's lock.
    let condition: Condition
    let owner: any RoomOwner
    var isGranted = false
    init(_ monitor: Monitor, _ owner: any RoomOwner) {
      condition = Condition(of: monitor)
      self.owner = owner
    }
  }

  enum Answer: Sendable, Hashable { case granted, refused, ended }

  /// - Parameters:
  ///   - budget: bytes; at least four cells' are taken.
  ///   - idleTime: without use, after which the kernel gets the memory back.
  /// - Throws: ENOMEM when there is not even address space.
  init(budget: Int, pageSize: Int, idleTime: Duration = .seconds(1), counters: ReadCounters) throws(Errno) {
    cellSize = pageSize
    grain = PageGrid.grain(pageSize: pageSize)
    self.budget = max(budget, 4 * pageSize) / grain * grain
    aheadLimit = self.budget / 4 * 3
    currentShare = Atomic(aheadLimit)
    self.idleTime = idleTime
    self.counters = counters
    let count = self.budget / grain
    memory = try AnonymousMemory(byteCount: count * pageSize)
    cells = Array(repeating: Cell(), count: count)
    free = Array((0..<count).reversed())
    trimmerWoken = Condition(of: monitor)
  }

  /// Somebody waits for room.
  var isWanted: Bool { wanted.load(ordering: .relaxed) }
  /// No read waits any more.
  var isEnding: Bool { ending.load(ordering: .sequentiallyConsistent) }

  /// Bytes given out now, the most ever, and those that may be in memory.
  var use: (now: Int, peak: Int, resident: Int) { monitor.locked { (used, peak, resident) } }
}

// MARK: - Room

extension BufferPool {
  /// Takes room for a reader, who waits for it. The caller holds no lock and no room that others could wait for.
  /// - Parameter bytes: whole grains.
  func reserve(_ bytes: Int, for owner: any RoomOwner) -> Answer {
    if isEnding { return .ended }
    if bytes == 0 { return .granted }
    if bytes > budget { return .refused }
    let id = ObjectIdentifier(owner)
    let waiting: (ticket: UInt64, waiter: Waiter)? = monitor.locked {
      if queue.isEmpty, used + bytes <= budget {
        grant(bytes, owner)
        return nil
      }
      let ticket = queue.add(id, bytes: bytes)
      let waiter = Waiter(monitor, owner)
      waiters[ticket] = waiter
      wanted.store(true, ordering: .relaxed)
      return (ticket, waiter)
    }
    guard let (ticket, waiter) = waiting else { return .granted }
    counters.roomWaits.count()
    reclaim(bytes)
    return monitor.locked {
      serveQueue()
      while !waiter.isGranted, !isEnding { waiter.condition.wait() }
      if waiter.isGranted { return .granted }
      queue.remove(ticket)
      waiters[ticket] = nil
      wanted.store(!queue.isEmpty, ordering: .relaxed)
      return .ended
    }
  }

  /// Takes room if that needs no waiting.
  /// - Parameter isAhead: for read-ahead: only of its part of the budget, and of this file's share of that.
  func tryReserve(_ bytes: Int, for owner: any RoomOwner, isAhead: Bool) -> Bool {
    if isEnding { return false }
    if bytes == 0 { return true }
    if attempt(bytes, owner, isAhead: isAhead) { return true }
    // Others may hold more than their share now.
    guard !isWanted else { return false }
    let (share, others) = monitor.locked { () -> (Int, [(any RoomOwner, Int)]) in
      let share = aheadShare(of: owner)
      return (share, owners.values.filter { $0.owner !== owner && $0.bytes > share }.map { ($0.owner, $0.bytes) })
    }
    if others.isEmpty { return false }
    for (other, held) in others { other.surrender(held - share) }
    return attempt(bytes, owner, isAhead: isAhead)
  }

  private func attempt(_ bytes: Int, _ owner: any RoomOwner, isAhead: Bool) -> Bool {
    monitor.locked {
      guard queue.isEmpty, used + bytes <= (isAhead ? aheadLimit : budget) else { return false }
      let held = owners[ObjectIdentifier(owner)]?.bytes ?? 0
      if isAhead, held + bytes > aheadShare(of: owner) { return false }
      grant(bytes, owner)
      return true
    }
  }

  /// What read-ahead of one file may use, as many as use the pool now: no window is larger. Files that hold little count with what
  /// they hold.
  var share: Int { currentShare.load(ordering: .relaxed) }

  /// With the lock held.
  private func aheadShare(of owner: any RoomOwner) -> Int {
    let held = owners[ObjectIdentifier(owner)]?.bytes ?? 0
    let isSmall = held < smallHolding
    return share(
      of: owners.count + (held == 0 ? 1 : 0), large: largeOwners + (isSmall ? 1 : 0),
      smallBytes: smallBytes - (isSmall ? held : 0))
  }

  /// Owners that hold less are small ones.
  private var smallHolding: Int { aheadLimit / 32 }

  /// With the lock held. At least what it would be if all were large.
  private func share(of count: Int, large: Int, smallBytes: Int) -> Int {
    max(aheadLimit / max(1, count), (aheadLimit - smallBytes) / max(1, large))
  }

  /// Changes what an owner holds. With the lock held.
  private func hold(_ change: Int, _ id: ObjectIdentifier, _ owner: any RoomOwner) {
    var holding = owners[id] ?? Holding(owner: owner)
    func count(_ sign: Int) {
      if holding.bytes < smallHolding { smallBytes += sign * holding.bytes } else { largeOwners += sign }
    }
    count(-1)
    holding.bytes += change
    count(1)
    if change > 0 { holding.lastUse = tick }
    owners[id] = holding.bytes == 0 ? nil : holding
    currentShare.store(
      share(of: owners.count, large: largeOwners, smallBytes: smallBytes), ordering: .relaxed)
  }

  /// Gives back room that was reserved and not used.
  func giveBack(_ bytes: Int, of owner: any RoomOwner) {
    guard bytes > 0 else { return }
    monitor.locked {
      take(bytes, owner)
      serveQueue()
    }
  }

  /// With the lock held.
  private func grant(_ bytes: Int, _ owner: any RoomOwner) {
    used += bytes
    peak = max(peak, used)
    tick += 1
    hold(bytes, ObjectIdentifier(owner), owner)
    startTrimmer()
  }

  /// With the lock held.
  private func take(_ bytes: Int, _ owner: any RoomOwner) {
    used -= bytes
    tick += 1
    if owners[ObjectIdentifier(owner)] != nil { hold(-bytes, ObjectIdentifier(owner), owner) }
  }

  /// With the lock held.
  private func serveQueue() {
    while let next = queue.next(free: budget - used, held: { owners[$0]?.bytes ?? 0 }) {
      guard let waiter = waiters.removeValue(forKey: next.ticket) else { continue }
      grant(next.bytes, waiter.owner)
      waiter.isGranted = true
      waiter.condition.signal()
    }
    wanted.store(!queue.isEmpty, ordering: .relaxed)
  }

  /// Has files give back what nobody reads, those first that were not used for longest.
  private func reclaim(_ bytes: Int) {
    let holders = monitor.locked { owners.values.sorted { $0.lastUse < $1.lastUse }.map(\.owner) }
    for holder in holders {
      let missing = monitor.locked { bytes - (budget - used) }
      if missing <= 0 { return }
      holder.surrender(missing)
    }
  }
}

// MARK: - Cells

extension BufferPool {
  /// Turns room that was reserved into grains of a cell, a new one for nil. - Returns: the cell.
  func assign(_ mask: UInt64, to cell: Int?) -> Int {
    monitor.locked {
      guard let index = cell ?? free.popLast() else { preconditionFailure("more cells are used than grains") }
      precondition(cells[index].assigned & mask == 0, "a grain is given out twice")
      cells[index].isFree = false
      cells[index].assigned |= mask
      let new = mask & ~cells[index].touched
      makeRoom(for: new.nonzeroBitCount * grain)
      cells[index].touched |= new
      resident += new.nonzeroBitCount * grain
      return index
    }
  }

  /// The cell and all its grains are free again.
  func release(_ cell: Int, of owner: any RoomOwner) {
    monitor.locked {
      take(cells[cell].assigned.nonzeroBitCount * grain, owner)
      cells[cell].assigned = 0
      cells[cell].isFree = true
      free.append(cell)
      serveQueue()
    }
  }

  /// Has the kernel take pages of free grains until so many more fit into the budget. With the lock held.
  private func makeRoom(for bytes: Int) {
    guard resident + bytes > budget else { return }
    for index in free where resident + bytes > budget { discard(index) }
    for index in cells.indices where resident + bytes > budget { discard(index) }
  }

  /// Gives pages of the cell's free grains back. With the lock held.
  private func discard(_ index: Int) {
    let stale = cells[index].touched & ~cells[index].assigned
    var grain = 0
    while grain < 64 {
      if stale & (1 << UInt64(grain)) == 0 {
        grain += 1
        continue
      }
      let start = grain
      while grain < 64, stale & (1 << UInt64(grain)) != 0 { grain += 1 }
      memory.discard(at: index * cellSize + start * self.grain, count: (grain - start) * self.grain)
    }
    cells[index].touched &= cells[index].assigned
    resident -= stale.nonzeroBitCount * self.grain
  }
}

// MARK: - Idleness and the end

extension BufferPool {
  /// Gives back what nobody reads and the pages of all free grains.
  func trim() {
    let holders = monitor.locked { owners.values.map(\.owner) }
    for holder in holders { holder.surrender(.max) }
    monitor.locked { for index in cells.indices where resident > 0 { discard(index) } }
  }

  /// With the lock held. Where there is no thread for it, the memory stays.
  private func startTrimmer() {
    guard !isTrimming, idleTime != .zero else { return }
    isTrimming = true
    // It holds the pool, and ends soon after the last use.
    if (try? DetachedThread.start(name: "buffer-trim", stackSize: 128 << 10) { self.trimWhenIdle() }) == nil {
      isTrimming = false
    }
  }

  private func trimWhenIdle() {
    while true {
      let isIdle = monitor.locked {
        let before = tick
        let limit = Deadline.after(idleTime)
        while !isEnding, trimmerWoken.wait(until: limit) {}
        return tick == before
      }
      if isIdle { trim() }
      let isDone = monitor.locked {
        isTrimming = !(isEnding || resident == 0)
        return !isTrimming
      }
      if isDone { return }
    }
  }

  /// Nobody waits any more, now or later: reads that would end with `.ended`.
  func end() {
    ending.store(true, ordering: .sequentiallyConsistent)
    let holders = monitor.locked {
      for waiter in waiters.values { waiter.condition.signal() }
      trimmerWoken.broadcast()
      return owners.values.map(\.owner)
    }
    for holder in holders { holder.wake() }
  }
}
