import ObjectStore

/// Stamps of versions that this mount made: they continue a file that applications know. Bounded; what is forgotten gets
/// the stamp of its ETag, and so looks like a new file to those who know the old one.
struct StampTable: Sendable {
  private struct Kept: Sendable {
    var version: UInt64
    var stamp: UInt64
  }

  private static let capacity = 16_384
  private var kept: [PathHash: Kept] = [:]
  /// In the order in which they came; some are gone or have come again.
  private var order: [PathHash] = []

  /// Of the ETag and the size; never 0, which stands for no version.
  static func stamp(of version: ObjectVersion) -> UInt64 {
    var hash = StableHash(seed: 3)
    hash.combine(version.entityTag.value.utf8)
    hash.combine(UInt64(bitPattern: version.size))
    return max(hash.value, 1)
  }

  func stamp(of version: ObjectVersion, at path: PathHash) -> UInt64 {
    let own = Self.stamp(of: version)
    guard let known = kept[path], known.version == own else { return own }
    return known.stamp
  }

  mutating func keep(_ stamp: UInt64, for version: ObjectVersion, at path: PathHash) {
    let own = Self.stamp(of: version)
    if own == stamp {
      kept[path] = nil
      return
    }
    if kept.updateValue(Kept(version: own, stamp: stamp), forKey: path) == nil { order.append(path) }
    guard order.count > Self.capacity else { return }
    for path in order.prefix(Self.capacity / 2) { kept[path] = nil }
    order.removeFirst(Self.capacity / 2)
  }
}
