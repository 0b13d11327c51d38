/// The first request of a FUSE connection, as the kernel sends it: `fuse_in_header` and `fuse_init_in`, in the byte order of
/// the machine. The bytes are kept as they came, because every worker has them replayed to its libfuse session.
package struct FuseInitRequest: Sendable, Hashable {
  /// All bytes of the request, 56 (before protocol 7.36) or 104.
  package let bytes: [UInt8]
  package let unique: UInt64
  package let major: UInt32
  package let minor: UInt32
  package let maxReadAhead: UInt32
  /// What the kernel offers.
  package let flags: FuseInitFlags

  /// Why bytes are not a `FUSE_INIT` that can be served.
  package enum Malformed: Error, Hashable {
    case tooShort(Int)
    case lengthMismatch(stated: UInt32, actual: Int)
    case notInit(opcode: UInt32)
    case unsupportedProtocol(major: UInt32, minor: UInt32)
  }

  /// Opcode `FUSE_INIT`.
  private static let opcode: UInt32 = 26
  private static let headerLength = 40

  /// - Parameter bytes: exactly what one read(2) of the device returned.
  /// - Throws: `Malformed`; protocols before 7.31 (Linux 5.4) are refused, since their kernels lack flags that are needed.
  package init(bytes: [UInt8]) throws(Malformed) {
    guard bytes.count >= Self.headerLength + 16 else { throw .tooShort(bytes.count) }
    let reader = FuseWireReader(bytes: bytes)
    let stated: UInt32 = reader.load(at: 0)
    guard Int(stated) == bytes.count else { throw .lengthMismatch(stated: stated, actual: bytes.count) }
    let opcode: UInt32 = reader.load(at: 4)
    guard opcode == Self.opcode else { throw .notInit(opcode: opcode) }
    unique = reader.load(at: 8)
    major = reader.load(at: Self.headerLength)
    minor = reader.load(at: Self.headerLength + 4)
    guard major == 7, minor >= 31 else { throw .unsupportedProtocol(major: major, minor: minor) }
    maxReadAhead = reader.load(at: Self.headerLength + 8)
    var flags = UInt64(reader.load(at: Self.headerLength + 12) as UInt32)
    if flags & FuseInitFlags.initExtension.rawValue != 0, bytes.count >= Self.headerLength + 20 {
      flags |= UInt64(reader.load(at: Self.headerLength + 16) as UInt32) << 32
    }
    self.flags = FuseInitFlags(rawValue: flags)
    self.bytes = bytes
  }

  /// The request as if the kernel had offered only `granted`: what is replayed to libfuse in every worker.
  package func reduced(to granted: FuseInitFlags) -> [UInt8] {
    let flags = flags.intersection(granted).rawValue
    var reduced = bytes
    func put(_ word: UInt32, at offset: Int) {
      // SAFETY: the bytes of a local integer are copied before the closure returns.
      withUnsafeBytes(of: word) { reduced.replaceSubrange(offset..<offset + 4, with: $0) }
    }
    put(UInt32(truncatingIfNeeded: flags), at: Self.headerLength + 12)
    if bytes.count >= Self.headerLength + 20 {
      put(UInt32(truncatingIfNeeded: flags >> 32), at: Self.headerLength + 16)
    }
    return reduced
  }
}

/// The answer to `FUSE_INIT`: decided once per mount by whoever mounted it, never by a worker.
package struct FuseInitReply: Sendable, Hashable {
  /// The protocol that libfuse 3.14 and Debian's headers speak; newer kernels speak it too.
  package static let minor: UInt32 = 38
  /// Bytes of one WRITE, and with `maxPages` of one READ.
  package static let maxWrite: UInt32 = 1 << 20
  package static let maxPages: UInt16 = 256
  /// Background requests (read-ahead, direct I/O) in flight, and from where on the kernel slows down their makers.
  package static let maxBackground: UInt16 = 64
  package static let congestionThreshold: UInt16 = 48

  /// What the kernel was granted; kept beside the request's bytes for every worker.
  package let granted: FuseInitFlags
  /// `fuse_out_header` and `fuse_init_out`, 80 bytes, to be written to the device at once.
  package let bytes: [UInt8]
  /// The reply's `fuse_init_out` alone, 64 bytes.
  package var body: [UInt8] { Array(bytes.dropFirst(16)) }

  /// - Parameters:
  ///   - onRequest: capabilities that this mount asks for beyond the table (`passthrough`).
  ///   - withheld: capabilities that count as not offered, as by an older kernel.
  package init(to request: FuseInitRequest, onRequest: FuseInitFlags = [], withheld: FuseInitFlags = []) {
    granted = FuseInitDecision.grant(offered: request.flags.subtracting(withheld), onRequest: onRequest)
    var writer = FuseWireWriter()
    writer.append(UInt32(80))  // len
    writer.append(Int32(0))  // error
    writer.append(request.unique)
    writer.append(UInt32(7))
    writer.append(Self.minor)
    writer.append(request.maxReadAhead)
    writer.append(UInt32(truncatingIfNeeded: granted.rawValue))
    writer.append(Self.maxBackground)
    writer.append(Self.congestionThreshold)
    writer.append(Self.maxWrite)
    writer.append(UInt32(1))  // time_gran: nanoseconds
    writer.append(Self.maxPages)
    writer.append(UInt16(0))  // map_alignment
    writer.append(UInt32(truncatingIfNeeded: granted.rawValue >> 32))
    writer.append(UInt32(granted.contains(.passthrough) ? 1 : 0))  // max_stack_depth
    writer.append(UInt16(0))  // request_timeout
    for _ in 0..<11 { writer.append(UInt16(0)) }
    bytes = writer.bytes
  }
}

/// Integers in the machine's byte order, at any alignment.
private struct FuseWireReader {
  let bytes: [UInt8]

  /// The caller has checked that the integer lies within the bytes; otherwise this traps.
  func load<T: FixedWidthInteger>(at offset: Int) -> T {
    // SAFETY: loadUnaligned checks the bounds of the buffer and needs no alignment.
    bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
  }
}

private struct FuseWireWriter {
  var bytes: [UInt8] = []

  mutating func append<T: FixedWidthInteger>(_ value: T) {
    // SAFETY: the bytes of a local integer are copied before the closure returns.
    withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
  }
}
