/// Names that volumes never show: `.alluxio.tmp.*` for objects on their way to a name, `.alluxio.volume` for the owner marker
/// of a provisioned directory. A lookup does not find them, a listing leaves them out, and nobody can create them.
package enum HiddenName {
  /// The file that holds the id of the volume that a provisioned directory belongs to.
  package static let ownerMarker: FileName = ".alluxio.volume"
  /// In a prefix that is being archived: where to, so that the next attempt goes on there.
  static let archiveNote: FileName = ".alluxio.tmp.archive"
  /// In an archive: how far a large object has come.
  static let copyNotePrefix = Array(".alluxio.tmp.copy.".utf8)
  static let temporaryPrefix = Array(".alluxio.tmp.".utf8)

  /// The temporary name of a token, which is unique among all workers: a random start and a counter.
  package static func temporary(token: UInt64) -> FileName {
    FileName(bytes: temporaryPrefix + hexadecimal(token))
  }

  /// - Parameter name: with or without its NUL.
  static func isHidden(_ name: Span<UInt8>) -> Bool {
    // Nearly all names end the check at their first or second byte.
    guard name.count > temporaryPrefix.count, name[0] == temporaryPrefix[0], name[1] == temporaryPrefix[1] else {
      return false
    }
    return hasPrefix(name, temporaryPrefix) || equals(name, ownerMarker.nulTerminated)
  }

  static func isTemporary(_ name: Span<UInt8>) -> Bool { hasPrefix(name, temporaryPrefix) }

  static func isTemporary(_ name: ArraySlice<UInt8>) -> Bool { name.starts(with: temporaryPrefix) }

  private static func hasPrefix(_ name: Span<UInt8>, _ prefix: [UInt8]) -> Bool {
    guard name.count >= prefix.count else { return false }
    for index in prefix.indices where name[index] != prefix[index] { return false }
    return true
  }

  private static func equals(_ name: Span<UInt8>, _ other: [UInt8]) -> Bool {
    let count = name[name.count - 1] == 0 ? name.count - 1 : name.count
    guard count == other.count - 1 else { return false }
    for index in 0..<count where name[index] != other[index] { return false }
    return true
  }

  private static func hexadecimal(_ value: UInt64) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return (0..<16).map { digits[Int(value >> (60 - 4 * UInt64($0)) & 15)] }
  }
}
