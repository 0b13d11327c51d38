import Glibc
import LinuxSystem
import SystemPackage

/// The open file of one version. Its calls are those of a disk: they block and fail.
final class PageFile: Sendable {
  let layout: PageLayout
  let id: FileVersionID
  let isWritable: Bool
  let descriptor: Descriptor
  let folder: PageFolder

  private init(
    _ descriptor: consuming Descriptor, layout: PageLayout, id: FileVersionID, isWritable: Bool, folder: PageFolder
  ) {
    self.descriptor = descriptor
    self.layout = layout
    self.id = id
    self.isWritable = isWritable
    self.folder = folder
  }

  /// What a name of the store turned out to be.
  enum Found {
    case file(PageFile)
    case absent
    /// There, and not a file of this version; it should be removed.
    case foreign
  }

  /// Opens the version's file and looks whether it is that.
  /// - Parameter identity: what it must hold; nil: whatever belongs to its number.
  static func open(_ id: FileVersionID, identity: [UInt8]?, in folder: PageFolder) throws(Errno) -> Found {
    let opened: PageFolder.Opened
    do throws(Errno) {
      opened = try folder.open(id)
    } catch .noSuchFileOrDirectory {
      return .absent
    } catch  where [.tooManySymbolicLinkLevels, .isDirectory, .noSuchAddressOrDevice, .improperLink].contains(error) {
      return .foreign
    }
    let status = try opened.file.status()
    guard status.type == S_IFREG, status.linkCount == 1 else { return status.linkCount == 0 ? .absent : .foreign }
    guard let footer = try readFooter(of: opened.file, length: status.size, identity: identity), footer.id == id else {
      return .foreign
    }
    let isWritable = opened.isWritable
    return .file(PageFile(opened.file, layout: footer.layout, id: id, isWritable: isWritable, folder: folder))
  }

  private static func readFooter(
    of file: borrowing Descriptor, length: Int64, identity: [UInt8]?
  ) throws(Errno) -> PageFileFooter? {
    guard length >= Int64(PageLayout.footerSize) else { return nil }
    // The identity stands before it; most are short.
    let room = Int(min(length, 512))
    let end = try file.bytes(at: length - Int64(room), count: room)
    guard end.count == room else { return nil }
    let bytes = Array(end.suffix(PageLayout.footerSize))
    guard let footer = PageFileFooter(bytes, fileLength: length) else { return nil }
    let before = room - PageLayout.footerSize
    let found: [UInt8]
    if footer.layout.identityLength <= before {
      found = Array(end.dropLast(PageLayout.footerSize).suffix(footer.layout.identityLength))
    } else {
      found = try file.bytes(at: footer.layout.identityOffset, count: footer.layout.identityLength)
    }
    guard found.count == footer.layout.identityLength, footer.isValid(bytes, identity: found) else { return nil }
    if let identity, identity != found { return nil }
    return footer
  }

  /// Makes the file of a version. One that is not yet whole has no footer.
  /// - Parameter onlyPage: the bytes of a small version (``PageLayout/isSmall``), which are written with the tail in one
  ///   call.
  /// - Throws: EEXIST when the name is taken.
  static func create(
    _ id: FileVersionID, layout: PageLayout, identity: [UInt8], onlyPage: [UInt8]?, in folder: PageFolder
  ) throws(Errno) -> PageFile {
    let descriptor = try folder.create(id)
    let file = PageFile(descriptor, layout: layout, id: id, isWritable: true, folder: folder)
    let end = PageFileFooter(layout: layout, id: id).encoded(identity: identity)
    if let onlyPage {
      var bytes = onlyPage
      bytes += [UInt8](repeating: 0, count: Int(layout.tailOffset) - bytes.count)
      bytes += onlyPage.withRawSpan(0..<onlyPage.count) { file.checksums(page: 0, of: $0) }
      bytes.append(1)
      bytes += end
      try folder.reach(.beforeData)
      try file.write(bytes, at: 0, halfWay: .middleOfData)
    } else {
      try file.descriptor.truncate(to: layout.fileLength)
      try folder.reach(.afterLength)
      try file.write(end, at: layout.identityOffset)
    }
    try folder.reach(.afterCreate)
    return file
  }

  // MARK: Pages

  /// What a block is hashed with: its place, in this version.
  @inline(__always) func seed(block: Int64) -> UInt64 { id.low &+ UInt64(bitPattern: block) &* 0x9E37_79B9_7F4A_7C15 }

  private func checksums(page: Int64, of bytes: RawSpan) -> [UInt8] {
    let first = layout.firstBlock(page: page)
    var sums: [UInt8] = []
    sums.reserveCapacity(layout.blockCount(page: page) * 8)
    var start = 0
    while start < bytes.byteCount {
      let end = min(start + PageLayout.blockSize, bytes.byteCount)
      let block = first + Int64(start / PageLayout.blockSize)
      sums.append(littleEndian: PageChecksum.block(bytes.extracting(start..<end), seed: seed(block: block)))
      start = end
    }
    return sums
  }

  /// Writes a page: data, checksums, presence, in this order.
  func fill(page: Int64, with bytes: RawSpan) throws(Errno) {
    precondition(bytes.byteCount == layout.pageLength(page), "a page is filled with other than its bytes")
    try folder.reach(.beforeData)
    if try !writeDirect(bytes, page: page) {
      try write(bytes, at: layout.pageOffset(page), halfWay: .middleOfData)
    }
    try folder.reach(.afterData)
    let sums = checksums(page: page, of: bytes)
    try write(
      sums, at: layout.checksumOffset(block: layout.firstBlock(page: page)), halfWay: .middleOfChecksums)
    try folder.reach(.afterChecksums)
    try write([1], at: layout.presenceOffset + page)
    try folder.reach(.afterPresence)
  }

  /// Smaller files are written through the page cache: they are read again soon, and a disk takes them in larger pieces.
  private static let directSize: Int64 = 16 << 20

  /// Writes a page of a large file past the page cache. Whoever reads has just got the same bytes into the mount's own:
  /// a second copy would cost as much as all else that is done with them, and push out what others need.
  /// - Returns: false where that cannot be done: the last page, memory that is not aligned, some file systems.
  private func writeDirect(_ bytes: RawSpan, page: Int64) throws(Errno) -> Bool {
    guard layout.size >= Self.directSize, bytes.byteCount == layout.pageSize, !folder.faults.isSet,
      let direct = folder.openDirect(id, like: descriptor)
    else { return false }
    do throws(Errno) {
      if try direct.write(bytes, at: layout.pageOffset(page)) < bytes.byteCount { throw .noSpace }
      return true
    } catch .invalidArgument { return false }
  }

  /// Takes a page away: checksums first, bytes last. - Returns: false where holes cannot be punched.
  func erase(page: Int64) throws(Errno) -> Bool {
    try folder.reach(.beforeEviction)
    let zeros = [UInt8](repeating: 0, count: layout.blockCount(page: page) * 8)
    try write(zeros, at: layout.checksumOffset(block: layout.firstBlock(page: page)))
    try write([0], at: layout.presenceOffset + page)
    try folder.reach(.afterErasure)
    do throws(Errno) {
      // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
      try descriptor.allocate(
        mode: 3, offset: layout.pageOffset(page), length: Int64(layout.pageLength(page)))
    } catch  where error == .notSupportedOnSocket || error == .noFunction {
      return false
    }
    try folder.reach(.afterPunch)
    return true
  }

  private func write(_ bytes: [UInt8], at offset: Int64, halfWay: DiskStep? = nil) throws(Errno) {
    try bytes.withRawSpan(0..<bytes.count) { (span) throws(Errno) in try write(span, at: offset, halfWay: halfWay) }
  }

  private func write(_ bytes: RawSpan, at offset: Int64, halfWay: DiskStep? = nil) throws(Errno) {
    var done = 0
    if let halfWay, folder.faults.isSet {
      done = try descriptor.write(bytes.extracting(0..<bytes.byteCount / 2), at: offset)
      try folder.reach(halfWay)
    }
    let rest = bytes.extracting(done..<bytes.byteCount)
    // Fewer only when an error came after the first bytes: the next write would meet it.
    if try descriptor.write(rest, at: offset + Int64(done)) < rest.byteCount { throw .noSpace }
  }

  /// Numbers of the pages that the file says are present.
  func presentPages() throws(Errno) -> [Int64] {
    var pages: [Int64] = []
    var first: Int64 = 0
    while first < layout.pageCount {
      let count = Int(min(layout.pageCount - first, 64 << 10))
      let flags = try descriptor.bytes(at: layout.presenceOffset + first, count: count)
      for (index, flag) in flags.enumerated() where flag == 1 { pages.append(first + Int64(index)) }
      if flags.count < count { break }
      first += Int64(count)
    }
    return pages
  }

  /// Whether the page has been filled, by this process or another.
  func isPresent(page: Int64) -> Bool {
    (try? descriptor.bytes(at: layout.presenceOffset + page, count: 1)) == [1]
  }

  /// Whether the file still has its name.
  var isNamed: Bool { (try? descriptor.status().linkCount) == 1 }
}
