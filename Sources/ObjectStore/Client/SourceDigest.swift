import HTTP
import SystemPackage
import VolumeModel

/// SHA-256 of a body that is read piece by piece, for signatures without TLS.
enum SourceDigest {
  private static let piece = 256 << 10

  /// 64 digits; nil where the body cannot be read to its end.
  static func sha256(of source: any HTTPBodySource) -> String? {
    // Where libcurl has brought none, libmd's.
    let fast = LibraryDigest()
    var slow = SHA256()
    var buffer = [UInt8](repeating: 0, count: piece)
    var offset: UInt64 = 0
    while offset < source.length {
      let wanted = Int(min(UInt64(piece), source.length - offset))
      if buffer.count != wanted { buffer = [UInt8](repeating: 0, count: wanted) }
      guard let read = try? SourceBytes.read(source, into: &buffer, at: offset), read > 0 else { return nil }
      if read < wanted { buffer.removeLast(wanted - read) }
      if let fast { fast.update(buffer) } else { slow.update(buffer) }
      offset += UInt64(read)
    }
    return (fast.map { $0.finish() } ?? slow.finish()).map { Digest.hex($0) }
  }
}
