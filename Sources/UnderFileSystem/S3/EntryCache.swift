/// Entries by path, a bounded number of them; the one that was not used for longest gives way. And which directories are
/// known whole: all names in them have entries.
struct EntryCache: Sendable {
  private struct Slot: Sendable {
    var path: PathHash
    var parent: PathHash
    var entry: ObjectEntry
    /// Neighbours in the order of use; `none` at the ends.
    var older: Int32
    var newer: Int32
  }

  private static let none: Int32 = -1

  private let capacity: Int
  private var slots: [Slot] = []
  private var index: [PathHash: Int32] = [:]
  private var free: [Int32] = []
  private var oldest = none
  private var newest = none
  /// When the listing that brought all names was begun.
  private var whole: [PathHash: UInt64] = [:]
  /// The same of listings that are not over.
  private var becomingWhole: [PathHash: UInt64] = [:]

  init(capacity: Int) { self.capacity = max(16, capacity) }

  var count: Int { index.count }

  /// Counts as a use.
  mutating func find(_ path: PathHash) -> ObjectEntry? {
    guard let slot = index[path] else { return nil }
    unlink(slot)
    append(slot)
    return slots[Int(slot)].entry
  }

  /// Keeps what an answer told, unless something newer is known.
  mutating func learn(_ entry: ObjectEntry, of path: PathHash, in parent: PathHash) {
    if let slot = index[path] {
      let known = slots[Int(slot)].entry
      guard entry.asOf > known.asOf || !known.isOwn && entry.asOf == known.asOf else { return }
      slots[Int(slot)].entry = entry
      unlink(slot)
      return append(slot)
    }
    insert(Slot(path: path, parent: parent, entry: entry, older: Self.none, newer: Self.none))
  }

  private mutating func insert(_ new: Slot) {
    if index.count >= capacity { removeOldest() }
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
      slots[Int(slot)] = new
    } else {
      slot = Int32(slots.count)
      slots.append(new)
    }
    index[new.path] = slot
    append(slot)
  }

  private mutating func removeOldest() {
    guard oldest != Self.none else { return }
    let slot = oldest
    unlink(slot)
    index[slots[Int(slot)].path] = nil
    // A name that is not here could be there now.
    forgetWhole(slots[Int(slot)].parent)
    free.append(slot)
  }

  /// Forgets one name.
  mutating func forget(_ path: PathHash) {
    guard let slot = index.removeValue(forKey: path) else { return }
    unlink(slot)
    forgetWhole(slots[Int(slot)].parent)
    free.append(slot)
  }

  // MARK: Directories that are known whole

  /// More directories than one program walks through at a time; then all are forgotten.
  private static let mostDirectories = 8192

  /// A listing of the directory begins at its start.
  mutating func beginWhole(_ directory: PathHash, asOf: UInt64) {
    if becomingWhole.count >= Self.mostDirectories { becomingWhole.removeAll() }
    becomingWhole[directory] = asOf
  }

  /// The listing that began then has come to its end; it counts where none of its names was forgotten meanwhile.
  mutating func endWhole(_ directory: PathHash, asOf: UInt64) {
    guard becomingWhole[directory] == asOf else { return }
    becomingWhole[directory] = nil
    if whole.count >= Self.mostDirectories { whole.removeAll() }
    whole[directory] = asOf
  }

  /// When the directory was known whole; nil: names without an entry may be there.
  func wholeSince(_ directory: PathHash) -> UInt64? { whole[directory] }

  mutating func forgetWhole(_ directory: PathHash) {
    whole[directory] = nil
    becomingWhole[directory] = nil
  }

  // MARK: Order of use

  private mutating func unlink(_ slot: Int32) {
    let (older, newer) = (slots[Int(slot)].older, slots[Int(slot)].newer)
    if older == Self.none { oldest = newer } else { slots[Int(older)].newer = newer }
    if newer == Self.none { newest = older } else { slots[Int(newer)].older = older }
    slots[Int(slot)].older = Self.none
    slots[Int(slot)].newer = Self.none
  }

  private mutating func append(_ slot: Int32) {
    slots[Int(slot)].older = newest
    slots[Int(slot)].newer = Self.none
    if newest == Self.none { oldest = slot } else { slots[Int(newest)].newer = slot }
    newest = slot
  }
}
