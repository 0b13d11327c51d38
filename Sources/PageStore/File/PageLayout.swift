/// Where things are in the file of one version. See PageStore.md.
struct PageLayout: Sendable, Hashable {
  /// What is checked at once, in bytes.
  static let blockSize = 4096
  static let footerSize = 64
  /// Longest identity that is stored: a path of 4096 bytes, a long etag.
  static let maximumIdentity = 16 << 10
  /// So that no offset overflows, and the number of a page fits into 32 bits.
  static let maximumSize: Int64 = 1 << 47

  let size: Int64
  let pageSize: Int
  let identityLength: Int

  /// - Returns: nil for what no store writes.
  init?(size: Int64, pageSize: Int, identityLength: Int) {
    guard size > 0, size <= Self.maximumSize, Self.isPageSize(pageSize),
      (1...Self.maximumIdentity).contains(identityLength)
    else { return nil }
    self.size = size
    self.pageSize = pageSize
    self.identityLength = identityLength
  }

  /// 64 KiB to 16 MiB, powers of two.
  static func isPageSize(_ size: Int) -> Bool { size >= 64 << 10 && size <= 16 << 20 && size & (size - 1) == 0 }

  var blockCount: Int64 { (size + Int64(Self.blockSize) - 1) / Int64(Self.blockSize) }
  var pageCount: Int64 { (size + Int64(pageSize) - 1) / Int64(pageSize) }
  var blocksPerPage: Int { pageSize / Self.blockSize }

  /// Offset of the first checksum.
  var tailOffset: Int64 { (size + 7) & ~7 }
  var presenceOffset: Int64 { tailOffset + blockCount * 8 }
  var identityOffset: Int64 { presenceOffset + pageCount }
  var footerOffset: Int64 { identityOffset + Int64(identityLength) }
  /// Length of the whole file.
  var fileLength: Int64 { footerOffset + Int64(Self.footerSize) }

  func checksumOffset(block: Int64) -> Int64 { tailOffset + block * 8 }
  func pageOffset(_ page: Int64) -> Int64 { page * Int64(pageSize) }
  /// Bytes of the page: fewer than the page size for the last one.
  func pageLength(_ page: Int64) -> Int { Int(min(Int64(pageSize), size - pageOffset(page))) }
  /// Blocks of the page.
  func blockCount(page: Int64) -> Int { (pageLength(page) + Self.blockSize - 1) / Self.blockSize }
  func firstBlock(page: Int64) -> Int64 { page * Int64(blocksPerPage) }

  /// What a page takes on disk, its share of the tail counted as one block.
  func cost(page: Int64) -> Int64 { Self.cost(pageLength: pageLength(page)) }
  static func cost(pageLength: Int) -> Int64 { Int64((pageLength + blockSize - 1) / blockSize * blockSize + blockSize) }

  /// Whether the version is written by one call.
  var isSmall: Bool { pageCount == 1 && size <= 256 << 10 }
}

/// The last bytes of a file: by them it is known to be a version's file, and of which one.
struct PageFileFooter: Sendable, Hashable {
  static let magic: UInt64 = 0x3145_4741_5058_4C41  // "ALXPAGE1"

  let layout: PageLayout
  let id: FileVersionID

  /// The identity and the footer, as they stand at the end of the file.
  func encoded(identity: [UInt8]) -> [UInt8] {
    var footer: [UInt8] = []
    footer.reserveCapacity(PageLayout.footerSize)
    footer.append(littleEndian: Self.magic)
    footer.append(littleEndian: UInt64(layout.size))
    footer.append(littleEndian: UInt32(layout.pageSize))
    footer.append(littleEndian: UInt32(layout.identityLength))
    footer.append(littleEndian: id.high)
    footer.append(littleEndian: id.low)
    footer += [UInt8](repeating: 0, count: 16)
    footer.append(littleEndian: Self.checksum(footer, identity))
    return identity + footer
  }

  private static func checksum(_ footer: some Collection<UInt8>, _ identity: some Collection<UInt8>) -> UInt64 {
    let bytes = Array(footer) + Array(identity)
    return PageChecksum.block(bytes, seed: magic)
  }

  /// Reads what the last 64 bytes of a file of this length say; the checksum is not yet compared.
  init?(_ bytes: [UInt8], fileLength: Int64) {
    guard bytes.count == PageLayout.footerSize, bytes.littleEndian(UInt64.self, at: 0) == Self.magic,
      let size = Int64(exactly: bytes.littleEndian(UInt64.self, at: 8)),
      let layout = PageLayout(
        size: size, pageSize: Int(bytes.littleEndian(UInt32.self, at: 16)),
        identityLength: Int(bytes.littleEndian(UInt32.self, at: 20))),
      layout.fileLength == fileLength, bytes[40..<56].allSatisfy({ $0 == 0 })
    else { return nil }
    self.init(
      layout: layout,
      id: FileVersionID(high: bytes.littleEndian(UInt64.self, at: 24), low: bytes.littleEndian(UInt64.self, at: 32)))
  }

  init(layout: PageLayout, id: FileVersionID) {
    self.layout = layout
    self.id = id
  }

  /// Whether the checksum of `bytes` is right for them and the identity, and the number is that of the identity.
  func isValid(_ bytes: [UInt8], identity: [UInt8]) -> Bool {
    bytes.littleEndian(UInt64.self, at: 56) == Self.checksum(bytes.prefix(56), identity)
      && FileVersionID(identity: identity) == id
  }
}
