internal import VolumeModel

/// Where a listing goes on: after an id. It holds however many volumes come and go meanwhile, the named one included.
enum PagingToken {
  private static let prefix = "after-"
  /// Digits of the checksum that tells our tokens from others' texts.
  private static let checksumDigits = 8

  static func make(after id: String) -> String { "\(prefix)\(checksum(id))-\(id)" }

  /// Nil for an empty token: from the beginning.
  /// - Throws: `.badPagingToken`.
  static func id(in token: String) throws(CSIError) -> String? {
    if token.isEmpty { return nil }
    let bytes = Array(token.utf8)
    let start = prefix.utf8.count + checksumDigits + 1
    guard bytes.count > start else { throw .badPagingToken }
    let id = String(decoding: bytes[start...], as: UTF8.self)
    guard PathComponents.same(make(after: id), token) else { throw .badPagingToken }
    return id
  }

  private static func checksum(_ id: String) -> Substring { Digest.sha256Hex(id).prefix(checksumDigits) }
}
