import LinuxSystem
import Synchronization
import SystemPackage
import UnderFileSystem

/// An open file whose reads are served from memory and the page store where they can be; everything else is the file's own.
final class CachingFile: OpenFile {
  private struct OpenVersion: Sendable {
    let revision: Int
    let open: OpenReader
    /// It was asked for before the file was opened.
    let wasAhead: Bool
    var reader: FileReader { open.reader }

    init(_ file: any RangedFile, _ reading: FileReading.Parts) {
      // In this order: a version that comes in between is looked for again.
      revision = file.revision
      let version = file.contentVersion
      let ahead = reading.filesAhead.take(version)
      open = ahead ?? OpenReader(FileReader(file, version, reading))
      wasAhead = ahead != nil
    }
  }

  private let base: any RangedFile
  private let reading: FileReading.Parts
  private let open: Mutex<OpenVersion>
  private let hasBegun = Atomic(false)

  init(_ base: any RangedFile, _ reading: FileReading.Parts) {
    self.base = base
    self.reading = reading
    open = Mutex(OpenVersion(base, reading))
    reading.counters.openFiles.count()
  }

  deinit { reading.counters.openFiles.count(-1) }

  /// What is open now.
  private func current() -> OpenVersion {
    let revision = base.revision
    let known = open.withLock { $0 }
    if known.revision == revision { return known }
    let new = OpenVersion(base, reading)
    open.withLock { $0 = new }
    return new
  }

  var access: FileAccess { base.access }
  var ranged: (any RangedFile)? { base }
  func attributes() throws(Errno) -> Attributes { try base.attributes() }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    switch try answer(into: &buffer, at: offset) {
    case .copied(let count): return count
    case .lent(let bytes):
      let count = bytes.byteCount
      bytes.move(into: &buffer, from: offset)
      return count
    }
  }

  /// As `read`, but what is in memory is lent.
  func answer(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> ReadAnswer {
    while true {
      if base.isWritten { return .copied(try base.read(into: &buffer, at: offset)) }
      let version = current()
      do throws(Errno) {
        return try withExtendedLifetime(version.open) { () throws(Errno) in
          try version.reader.answer(into: &buffer, at: offset)
        }
      } catch {
        // This mount may have made another version meanwhile, or may have renamed the file.
        guard error == .versionGone else { throw error }
        if base.revision == version.revision, !base.isWritten, try !base.follow() { throw error }
      }
    }
  }

  /// The first read of the file's start has come, and files like it may be asked for before they are opened. - Returns: once true.
  func begins(at offset: Int64) -> Bool {
    offset == 0 && !hasBegun.load(ordering: .relaxed) && !hasBegun.exchange(true, ordering: .relaxed)
  }

  /// Has files asked for that are likely to be read next, behind this one in the listing of its directory.
  func askAhead(_ name: FileName, in directory: NodeID, _ node: any UnderNode) {
    let wasAhead = open.withLock { $0.wasAhead }
    reading.filesAhead.begin(name, in: directory, node, wasAhead: wasAhead, reading)
  }

  /// The version that is open; nil while this mount writes the file.
  var version: ContentVersion? {
    // Goes over to what this mount has made of it.
    _ = base.revision
    return base.isWritten ? nil : base.contentVersion
  }

  /// Of the version that is open: see ``PageCache/wholeFile(of:)``.
  var wholeFile: SharedDescriptor? { version.flatMap { reading.cache?.wholeFile(of: $0) } }

  func keepWhole() { if let version { reading.cache?.keepWhole(version) } }

  /// Bytes of the version that is open which the page store has now; nil where there is none that keeps them.
  var cachedBytes: Int64? {
    guard let cache = reading.cache, !base.isWritten else { return nil }
    let version = base.contentVersion
    guard let pages = cache.pages(of: version) else { return 0 }
    let grid = PageGrid(size: version.size, pageSize: cache.pageSize)
    var bytes: Int64 = 0
    var page: Int64 = 0
    while grid.start(of: page) < version.size {
      if pages.contains(page: page) { bytes += Int64(grid.length(of: page)) }
      page += 1
    }
    return bytes
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    try base.write(bytes, at: offset, durability: durability)
  }

  func truncate(to size: Int64) throws(Errno) { try base.truncate(to: size) }

  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    try base.allocate(mode: mode, offset: offset, length: length)
  }

  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 { try base.seek(to: offset, whence: whence) }

  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int {
    try base.copy(from: source, at: sourceOffset, to: offset, length: length)
  }

  func synchronize() throws(Errno) { try base.synchronize() }
  func flush() throws(Errno) { try base.flush() }
  func changeMode(_ mode: UInt32) throws(Errno) { try base.changeMode(mode) }
}
