import LinuxSystem
import Testing

/// Bytes of a `FUSE_INIT` as a kernel sends them.
private func initBytes(
  offering flags: FuseInitFlags, opcode: UInt32 = 26, unique: UInt64 = 0x1_0000_0002, minor: UInt32 = 45,
  extended: Bool = true
) -> [UInt8] {
  var bytes: [UInt8] = []
  func append<T: FixedWidthInteger>(_ value: T) { withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) } }
  append(UInt32(extended ? 104 : 56))
  append(opcode)
  append(unique)
  for word: UInt32 in [1, 0, 0, 0, 0, 0] { append(word) }
  for word: UInt32 in [7, minor, 131_072, UInt32(truncatingIfNeeded: flags.rawValue)] { append(word) }
  if extended {
    append(UInt32(truncatingIfNeeded: flags.rawValue >> 32))
    for _ in 0..<11 { append(UInt32(0)) }
  }
  return bytes
}

private func word<T: FixedWidthInteger>(_ bytes: [UInt8], _ offset: Int, as type: T.Type = T.self) -> T {
  bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
}

private let everything = FuseInitFlags(rawValue: ~0)

/// The answers that must hold, written a second time: a change of the table is a change of this list, with a reason.
private let granted: [FuseInitFlags] = [
  .asyncRead, .bigWrites, .parallelDirectoryOperations, .autoInvalidateData, .asyncDirectIO, .maxPages, .initExtension,
  .hasResend, .handleKillPrivilegesV2, .posixACL, .doNotMask, .allowIDMap,
]
private let refused: [FuseInitFlags] = [
  .posixLocks, .flockLocks, .fileOps, .atomicTruncate, .exportSupport, .spliceWrite, .spliceMove, .spliceRead,
  .ioctlOnDirectories, .readdirPlus, .readdirPlusAuto, .writebackCache, .noOpenSupport, .handleKillPrivileges,
  .abortError, .cacheSymlinks, .noOpendirSupport, .explicitInvalidateData, .mapAlignment, .submounts,
  .setxattrExtension, .securityContext, .inodeDAX, .createSupplementaryGroup, .expireOnly, .directIOAllowMmap,
  .noExportSupport, .overIOUring, .requestTimeout, .passthrough,
]

@Suite("FUSE_INIT")
struct FuseInitTests {
  @Test("a capability that is granted is granted when offered", arguments: granted)
  func grants(_ flag: FuseInitFlags) throws {
    let reply = FuseInitReply(to: try FuseInitRequest(bytes: initBytes(offering: everything)))
    #expect(reply.granted.contains(flag))
  }

  @Test("a capability that is granted is not granted when the kernel lacks it", arguments: granted)
  func grantsOnlyOffered(_ flag: FuseInitFlags) throws {
    var offered = everything
    offered.remove(flag)
    let reply = FuseInitReply(to: try FuseInitRequest(bytes: initBytes(offering: offered)))
    #expect(!reply.granted.contains(flag))
  }

  @Test("a capability that is refused is refused when offered", arguments: refused)
  func refuses(_ flag: FuseInitFlags) throws {
    let reply = FuseInitReply(to: try FuseInitRequest(bytes: initBytes(offering: everything)))
    #expect(!reply.granted.contains(flag))
  }

  @Test("the table has one row per bit in order, each with its reason, and the two lists name all of them")
  func tableIsComplete() {
    let bits = FuseInitDecision.table.map(\.flag.rawValue)
    #expect(bits == bits.sorted() && Set(bits).count == bits.count)
    #expect(FuseInitDecision.table.allSatisfy { !$0.reason.isEmpty && !$0.name.isEmpty })
    #expect(Set(granted + refused) == Set(FuseInitDecision.table.map(\.flag)))
  }

  @Test("a bit that no table knows is refused")
  func unknownBit() throws {
    let unknown = FuseInitFlags(rawValue: 1 << 62 | 1 << 31)
    let reply = FuseInitReply(to: try FuseInitRequest(bytes: initBytes(offering: [unknown, .initExtension])))
    #expect(reply.granted == .initExtension)
  }

  @Test("passthrough is granted to a mount that asks for it, with a stack depth of one")
  func passthrough() throws {
    let request = try FuseInitRequest(bytes: initBytes(offering: everything))
    let reply = FuseInitReply(to: request, onRequest: .passthrough)
    #expect(reply.granted.contains(.passthrough))
    #expect(word(reply.bytes, 16 + 36, as: UInt32.self) == 1)
    #expect(word(FuseInitReply(to: request).bytes, 16 + 36, as: UInt32.self) == 0)
  }

  @Test("asking for a refused capability does not get it")
  func onRequestCannotWiden() throws {
    let request = try FuseInitRequest(bytes: initBytes(offering: everything))
    #expect(!FuseInitReply(to: request, onRequest: everything).granted.contains(.writebackCache))
  }

  @Test("the reply has the kernel's layout")
  func layout() throws {
    let reply = FuseInitReply(to: try FuseInitRequest(bytes: initBytes(offering: everything)))
    let bytes = reply.bytes
    #expect(bytes.count == 80 && word(bytes, 0, as: UInt32.self) == 80)
    #expect(word(bytes, 4, as: Int32.self) == 0)
    #expect(word(bytes, 8, as: UInt64.self) == 0x1_0000_0002)
    #expect(word(bytes, 16, as: UInt32.self) == 7 && word(bytes, 20, as: UInt32.self) == 38)
    #expect(word(bytes, 24, as: UInt32.self) == 131_072)
    #expect(word(bytes, 28, as: UInt32.self) == UInt32(truncatingIfNeeded: reply.granted.rawValue))
    #expect(word(bytes, 32, as: UInt16.self) == 64 && word(bytes, 34, as: UInt16.self) == 48)
    #expect(word(bytes, 36, as: UInt32.self) == 1 << 20)
    #expect(word(bytes, 40, as: UInt32.self) == 1)
    #expect(word(bytes, 44, as: UInt16.self) == 256)
    #expect(word(bytes, 48, as: UInt32.self) == UInt32(truncatingIfNeeded: reply.granted.rawValue >> 32))
    #expect(word(bytes, 56, as: UInt16.self) == 0)
  }

  @Test("the request's bytes are kept as they came")
  func keepsBytes() throws {
    let bytes = initBytes(offering: everything)
    let request = try FuseInitRequest(bytes: bytes)
    #expect(request.bytes == bytes && request.minor == 45 && request.flags.contains(.allowIDMap))
  }

  @Test("a request reduced to what was granted offers that and nothing else")
  func reduced() throws {
    let request = try FuseInitRequest(bytes: initBytes(offering: everything))
    let granted = FuseInitReply(to: request).granted
    let again = try FuseInitRequest(bytes: request.reduced(to: granted))
    #expect(again.flags == granted && again.unique == request.unique && again.bytes.count == 104)
    #expect(FuseInitReply(to: again).granted == granted)
    let short = try FuseInitRequest(bytes: initBytes(offering: [.asyncRead, .maxPages], minor: 31, extended: false))
    #expect(try FuseInitRequest(bytes: short.reduced(to: .maxPages)).flags == .maxPages)
  }

  @Test("an old kernel's short request has no second word of flags")
  func shortRequest() throws {
    let offered: FuseInitFlags = [.asyncRead, .maxPages, .allowIDMap]
    let request = try FuseInitRequest(bytes: initBytes(offering: offered, minor: 31, extended: false))
    #expect(request.flags == [.asyncRead, .maxPages])
  }

  @Test("the second word does not count unless the kernel says it is there")
  func secondWordNeedsExtension() throws {
    let request = try FuseInitRequest(bytes: initBytes(offering: [.asyncRead, .allowIDMap]))
    #expect(request.flags == .asyncRead)
  }

  @Test("bytes that are no FUSE_INIT are refused")
  func malformed() {
    let good = initBytes(offering: everything)
    #expect(throws: FuseInitRequest.Malformed.tooShort(0)) { try FuseInitRequest(bytes: []) }
    #expect(throws: FuseInitRequest.Malformed.tooShort(55)) { try FuseInitRequest(bytes: Array(good.prefix(55))) }
    #expect(throws: FuseInitRequest.Malformed.lengthMismatch(stated: 104, actual: 103)) {
      try FuseInitRequest(bytes: Array(good.dropLast()))
    }
    #expect(throws: FuseInitRequest.Malformed.notInit(opcode: 1)) {
      try FuseInitRequest(bytes: initBytes(offering: everything, opcode: 1))
    }
    #expect(throws: FuseInitRequest.Malformed.unsupportedProtocol(major: 7, minor: 30)) {
      try FuseInitRequest(bytes: initBytes(offering: everything, minor: 30))
    }
  }
}
