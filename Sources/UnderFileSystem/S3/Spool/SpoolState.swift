import ObjectStore

/// What is known of one part of a spooled file.
struct SpoolPart: Sendable, Hashable {
  /// Its bytes are in the spool.
  var isLocal = true
  /// Its bytes are those of the version that the store has, at the same place.
  var isInBase = false
  /// Of its bytes in the upload that is under way.
  var tag: EntityTag?
  /// Counted up with each change, so that an upload that was overtaken does not count.
  var generation: UInt64 = 0

  /// Whether its bytes can be had without the spool.
  var isElsewhere: Bool { isInBase || tag != nil }
}

/// What the records of a spooled file come to. A value: replayed by the next worker, and tested without files.
struct SpoolState: Sendable, Hashable {
  var key: [UInt8]
  let stamp: UInt64
  /// The version that the store has, or had when the file was opened; nil: none, or none that matters.
  var base: ObjectVersion?
  var isPlaced = false
  var isUnlinked = false
  /// A rename has given it the key that it has.
  var isRenamed = false
  /// An attempt to place a new object was begun, and nobody knows how it ended.
  var isAttempted = false
  /// Whether an object of the key may be replaced.
  var replaces: Bool
  /// The store does not have it as it is.
  var isDirty: Bool
  var uploadID: String?
  /// By number from 0. One that is not here is in the spool, and nowhere else.
  var parts: [Int: SpoolPart] = [:]
  /// Parts whose bytes are on their way to the store, and those that change at this moment; known to this process alone.
  var uploading: Set<Int> = []
  var writing: Range<Int>?
  /// Counted up when parts go: what is sent of them meanwhile does not count.
  var epoch: UInt64 = 0
  let layout: PartLayout

  /// - Parameters:
  ///   - base: what is continued; its last part is in the spool, and all of it where it is small.
  init(key: [UInt8], stamp: UInt64, base: ObjectVersion?, layout: PartLayout) {
    self.key = key
    self.stamp = stamp
    self.base = base
    self.layout = layout
    replaces = base != nil
    isDirty = base == nil
    guard let base else { return }
    isPlaced = true
    let count = layout.count(base.size)
    for part in 0..<count {
      parts[part] = SpoolPart(isLocal: base.size <= layout.first || part == count - 1, isInBase: true)
    }
  }

  /// - Returns: nil where the log does not begin as one.
  init?(_ records: [SpoolRecord], layout: PartLayout) {
    guard case .begin(let key, let stamp, let base) = records.first else { return nil }
    self.init(key: key, stamp: stamp, base: base, layout: layout)
    for record in records.dropFirst() { apply(record) }
  }

  mutating func apply(_ record: SpoolRecord) {
    switch record {
    case .begin, .stamp: break
    case .placed: isPlaced = true
    case .moved(let key, let replaces):
      if key != self.key { isRenamed = true }
      self.key = key
      self.replaces = replaces
      dropUpload()
    case .upload(let id): uploadID = id
    case .part(let part, let tag): parts[part, default: SpoolPart()].tag = tag
    case .dirty(let part): markDirty(part)
    case .gone(let part): parts[part, default: SpoolPart()].isLocal = false
    case .completed(let version): complete(version)
    case .emptied:
      epoch += 1
      parts = [:]
      uploadID = nil
      isDirty = true
      // What the store has is replaced as a whole.
      base = nil
    case .cut(let first):
      epoch += 1
      parts = parts.filter { $0.key < first }
      isDirty = true
    case .unlinked: isUnlinked = true
    case .attempted: isAttempted = true
    }
  }

  /// What was uploaded belongs to the key that the file had.
  private mutating func dropUpload() {
    uploadID = nil
    for part in parts.keys { parts[part]?.tag = nil }
  }

  private mutating func markDirty(_ part: Int) {
    var changed = parts[part] ?? SpoolPart()
    changed.isInBase = false
    changed.tag = nil
    changed.generation += 1
    parts[part] = changed
    isDirty = true
  }

  private mutating func complete(_ version: ObjectVersion) {
    base = version
    replaces = true
    isAttempted = false
    isDirty = false
    uploadID = nil
    for part in 0..<layout.count(version.size) {
      var completed = parts[part] ?? SpoolPart()
      completed.isInBase = true
      completed.tag = nil
      parts[part] = completed
    }
  }

  /// Bytes of a file of `size` that are in the spool.
  func localBytes(_ size: Int64) -> Int64 {
    parts.filter { !$0.value.isLocal }.keys
      .reduce(size) { $0 - Int64(layout.range($1).clamped(to: 0..<size).count) }
  }

  /// Whether a change of the part has to be recorded first.
  func needsRecord(_ part: Int) -> Bool {
    guard isDirty, let known = parts[part] else { return !isDirty }
    return known.isElsewhere
  }
}
