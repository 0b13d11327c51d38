internal import HTTP
internal import SystemPackage

/// Reads of a body's source into an array.
enum SourceBytes {
  /// As `HTTPBodySource.read`.
  static func read(_ source: any HTTPBodySource, into buffer: inout [UInt8], at offset: UInt64) throws(Errno) -> Int {
    var span = buffer.mutableSpan
    // SAFETY: bytes have no padding between them.
    var bytes = unsafe span.mutableBytes
    return try source.read(into: &bytes, at: offset)
  }
}
