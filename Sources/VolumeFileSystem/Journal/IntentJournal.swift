import LinuxSystem
import Synchronization
import VolumeModel

/// What is being done that must not be done twice, in shared memory: a request that its worker did not answer is found here
/// by the next one.
///
/// An entry is found by its request's number: numbers are dealt to sets of entries, and stand together in memory, so that a
/// look costs one or two cache lines. Each running operation has at most one entry.
final class IntentJournal: Sendable {
  private static let ways = 32
  private static let sets = SharedStateLayout.journalEntryCount / ways

  private let memory: SharedMemory
  /// Nothing is recorded: nobody will follow this worker.
  private let isOff: Bool
  /// Entries of dead workers whose requests have not come again, by number. Those whose answer was sent never will.
  private let left: Mutex<[UInt64: Int]>

  /// Takes over what the worker before left.
  /// - Parameter isOff: record nothing, for a worker that nobody follows.
  init(_ state: SharedState, isOff: Bool = false) {
    memory = state.memory
    self.isOff = isOff
    left = Mutex([:])
    var found: [UInt64: Int] = [:]
    for index in 0..<SharedStateLayout.journalEntryCount {
      let number = memory.loadAcquiring64(at: Self.offset(index))
      guard number != 0 else { continue }
      // Not written to its end: nothing was done yet. The wrong set, or twice: no worker wrote that.
      let isSound = entry(index, number).isPublished && index % Self.sets == Self.set(number) && found[number] == nil
      if isSound { found[number] = index } else { memory.storeReleasing64(0, at: Self.offset(index)) }
    }
    left.withLock { [found] in $0 = found }
  }

  /// Where an entry's number stands.
  private static func offset(_ index: Int) -> Int { SharedStateLayout.journalOffset + numberPlace(index) * 8 }

  /// Entries of one set lie apart, so that few requests at a time touch few pages, and their numbers lie together.
  private static func numberPlace(_ index: Int) -> Int { index % sets * ways + index / sets }

  private static func set(_ number: UInt64) -> Int {
    Int(truncatingIfNeeded: (number &* 0x9E37_79B9_7F4A_7C15) >> 40) & (sets - 1)
  }

  private func entry(_ index: Int, _ number: UInt64) -> JournalEntry {
    JournalEntry(memory, index: index, number: number)
  }

  /// The entry that a dead worker left for this request, if it did.
  func claim(_ request: RequestID, _ operation: JournalOperation, at parent: NodeID) -> JournalEntry? {
    guard request.isResent, let index = left.withLock({ $0.removeValue(forKey: request.number) }) else { return nil }
    let entry = entry(index, request.number)
    return entry.isFor(operation, at: parent) ? entry : nil
  }

  /// Decides of each release that the worker before has begun whether it was counted, while nobody counts: those that were not
  /// are begun anew.
  /// - Parameter isCounted: told the node and what was recorded.
  func settleReleases(_ isCounted: (NodeID, Intent) -> Bool) {
    left.withLock { left in
      for (number, index) in left {
        let entry = entry(index, number)
        guard let node = entry.releasedNode, entry.outcome == nil else { continue }
        if isCounted(node, entry.intent) {
          entry.finish(nil)
        } else {
          memory.storeReleasing64(0, at: Self.offset(index))
          left[number] = nil
        }
      }
    }
  }

  /// Publishes what is about to be done.
  /// - Returns: nil for a request without a number, and when there is no entry for it: more operations at once than any
  ///   worker has threads.
  func begin(
    _ request: RequestID, _ operation: JournalOperation, at parent: NodeID, _ intent: Intent
  ) -> JournalEntry? {
    guard !isOff, request.number != 0,
      let index = (request.isResent ? find(request.number) : nil) ?? take(request.number)
    else { return nil }
    let entry = entry(index, request.number)
    entry.publish(operation, at: parent, intent)
    return entry
  }

  /// The request is answered, and so will not come again.
  func free(_ request: RequestID) {
    guard !isOff, request.number != 0, let index = find(request.number) else { return }
    memory.storeReleasing64(0, at: Self.offset(index))
  }

  private func find(_ number: UInt64) -> Int? {
    let set = Self.set(number)
    for way in 0..<Self.ways {
      let index = way * Self.sets + set
      if memory.loadRelaxed64(at: Self.offset(index)) == number { return index }
    }
    return nil
  }

  private func take(_ number: UInt64) -> Int? {
    let set = Self.set(number)
    for way in 0..<Self.ways {
      let index = way * Self.sets + set
      if memory.loadRelaxed64(at: Self.offset(index)) == 0,
        memory.compareExchange64(expected: 0, desired: number, at: Self.offset(index)).exchanged
      {
        return index
      }
    }
    return evict(for: number, set)
  }

  /// Takes an entry that was left by a dead worker, one with an answer first: that has very likely been sent.
  private func evict(for number: UInt64, _ set: Int) -> Int? {
    left.withLock { left in
      let inSet = left.filter { $0.value % Self.sets == set }
      let evicted = inSet.first { entry($0.value, $0.key).outcome != nil } ?? inSet.first
      guard let evicted else { return nil }
      left[evicted.key] = nil
      memory.storeReleasing64(number, at: Self.offset(evicted.value))
      return evicted.value
    }
  }

  /// Whether a dead worker left entries whose requests have not come again.
  var hasLeft: Bool { left.withLock { !$0.isEmpty } }

  /// No resent request will come any more: what was left has been answered.
  func sweep() {
    left.withLock { left in
      for index in left.values { memory.storeReleasing64(0, at: Self.offset(index)) }
      left = [:]
    }
  }

  /// Entries in use, for tests.
  var count: Int {
    (0..<SharedStateLayout.journalEntryCount).count { memory.loadAcquiring64(at: Self.offset($0)) != 0 }
  }
}
