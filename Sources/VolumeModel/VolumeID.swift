/// The id of a volume, derived from the name that CreateVolume asks for, so that a repeated call finds the same volume.
///
/// Ids are folder names, cgroup names and Kubernetes labels further down: a name that is lower-case, safe and at most
/// 63 bytes
/// is its own id. Any other name of up to 128 bytes is hashed.
package struct VolumeID: Sendable, Hashable, CustomStringConvertible {
  package let rawValue: String
  package var description: String { rawValue }

  /// CSI "Size Limits": a string field without another limit takes 128 bytes.
  package static let longestName = 128
  /// Longest id of our own making: what a DNS label and a Kubernetes label value take.
  package static let longestID = 63
  /// Ids with this prefix are hashes; names that look like one are hashed too, so that no name can pose as another's
  /// id.
  private static let hashPrefix = "h-"
  /// Digits of SHA-256 in a hashed id (240 bits).
  private static let hashDigits = 60

  /// An id as a request carries it. Any text of 1 to 128 bytes is one: static and inline volumes bring their own.
  package init(existing id: String) throws(NameError) {
    try Self.checkLength(id)
    rawValue = id
  }

  /// The id of the volume that CreateVolume makes for `name`.
  package init(name: String) throws(NameError) {
    try Self.checkLength(name)
    rawValue = Self.isItsOwnID(name) ? name : Self.hashPrefix + Digest.sha256Hex(name).prefix(Self.hashDigits)
  }

  /// Whether `id` can be one of our own making, and so the name of a file.
  package static func isOwn(_ id: String) -> Bool {
    if isItsOwnID(id) { return true }
    let digits = id.utf8.dropFirst(hashPrefix.utf8.count)
    return PathComponents.has(id, prefix: hashPrefix) && digits.count == hashDigits
      && digits.allSatisfy { isDigit($0) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0) }
  }

  package enum NameError: Error, Hashable, CustomStringConvertible {
    case empty
    case tooLong(bytes: Int)

    package var description: String {
      switch self {
      case .empty: "is empty"
      case .tooLong(let bytes): "has \(bytes) bytes; the CSI specification allows \(VolumeID.longestName)"
      }
    }
  }

  private static func checkLength(_ text: String) throws(NameError) {
    guard !text.isEmpty else { throw .empty }
    guard text.utf8.count <= longestName else { throw .tooLong(bytes: text.utf8.count) }
  }

  /// Lower-case letters, digits, '-', '_' and '.', beginning and ending with a letter or digit: never `.`, `..` or
  /// hidden.
  private static func isItsOwnID(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard bytes.count <= longestID, !PathComponents.has(name, prefix: hashPrefix), let first = bytes.first,
      let last = bytes.last
    else {
      return false
    }
    return isAlphanumeric(first) && isAlphanumeric(last)
      && bytes.allSatisfy {
        isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
      }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isDigit(byte)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
