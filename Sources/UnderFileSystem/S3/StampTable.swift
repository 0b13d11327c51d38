import ObjectStore

/// Stamps of versions that this mount made: they continue a file that applications know. Bounded; what is forgotten gets
/// the stamp of its ETag, and so looks like a new file to those who know the old one.
struct StampTable: Sendable {
  private struct Kept: Sendable {
    var version: UInt64
    var stamp: UInt64
  }

  static let capacity = 16_384
  private var kept: [PathHash: Kept] = [:]
  /// In the order in which they came; some are gone or have come again.
  private var order: [PathHash] = []

  /// Of the ETag and the size; never 0, which stands for no version, nor that of directories.
  static func stamp(of version: ObjectVersion) -> UInt64 {
    var hash = StableHash(seed: 3)
    hash.combine(version.entityTag.value.utf8)
    hash.combine(UInt64(bitPattern: version.size))
    return max(hash.value, ObjectNode.directoryStamp + 1)
  }

  func stamp(of version: ObjectVersion, at path: PathHash) -> UInt64 {
    let own = Self.stamp(of: version)
    guard let known = kept[path], known.version == own else { return own }
    return known.stamp
  }

  /// - Parameter own: the stamp that the version has by its ETag.
  /// - Returns: whether anything is to be remembered, or to be forgotten.
  @discardableResult
  mutating func keep(_ stamp: UInt64, for own: UInt64, at path: PathHash) -> Bool {
    if own == stamp { return kept.removeValue(forKey: path) != nil }
    if let known = kept[path], known.version == own, known.stamp == stamp { return false }
    if kept.updateValue(Kept(version: own, stamp: stamp), forKey: path) == nil { order.append(path) }
    guard order.count > Self.capacity else { return true }
    for path in order.prefix(Self.capacity / 2) { kept[path] = nil }
    order.removeFirst(Self.capacity / 2)
    return true
  }
}
