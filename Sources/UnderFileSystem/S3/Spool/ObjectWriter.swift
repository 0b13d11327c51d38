import LinuxSystem
import Synchronization
import SystemPackage

/// A file of an object store, open for reading and writing. It spools with the first change.
final class ObjectWriter: RangedFile {
  private let node: ObjectNode
  private let reader: ObjectFile
  private let own: Mutex<Spool?>

  /// - Parameters:
  ///   - version: that the store has; nil for a new file, which has a spool.
  init(_ node: ObjectNode, _ version: ObjectVersion, spool: Spool?) {
    self.node = node
    reader = ObjectFile(node, version)
    own = Mutex(spool)
  }

  var access: FileAccess { .readWrite }
  var ranged: (any RangedFile)? { self }

  // Until it is written, and once the store has all of it, it is read as any other file.
  var contentVersion: ContentVersion { reader.contentVersion }
  var revision: Int { reader.revision }
  var isWritten: Bool { spool != nil }
  func follow() throws(Errno) -> Bool { try reader.follow() }
  func fetch(_ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink) -> any RangeTransfer {
    reader.fetch(range, of: version, into: sink)
  }

  private var fileSystem: ObjectFileSystem { node.fileSystem }

  /// The spool that this handle or another one of the file has begun.
  private var spool: Spool? {
    if let spool = own.withLock({ $0 }), !spool.isClosed { return spool }
    guard let spool = node.spool else { return nil }
    own.withLock { $0 = spool }
    return spool
  }

  private func beginSpool(isCut: Bool = false) throws(Errno) -> Spool {
    if let spool { return spool }
    guard case .file(let version, let stamp) = try node.current() else { throw .staleNode }
    let spool = try fileSystem.continueSpool(node.path, version, stamp: stamp, isCut: isCut)
    own.withLock { $0 = spool }
    return spool
  }

  func attributes() throws(Errno) -> Attributes {
    guard let spool else { return try reader.attributes() }
    return fileSystem.attributes(ofFile: node.path, try spool.version(), linkCount: spool.isUnlinked ? 0 : 1)
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    guard offset >= 0 else { throw .negativePlace }
    if let spool { return try spool.read(into: &buffer, at: offset) }
    return try reader.read(into: &buffer, at: offset)
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    guard offset >= 0 else { throw .negativePlace }
    let spool = try beginSpool()
    let written = try spool.write(bytes, at: offset)
    if durability != .none { try spool.complete() }
    return written
  }

  func truncate(to size: Int64) throws(Errno) {
    guard size >= 0 else { throw .negativePlace }
    if spool == nil, try reader.attributes().size == size { return }
    try beginSpool(isCut: size == 0).truncate(to: size)
  }

  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    throw fileSystem.refused.refuse("fallocate")
  }

  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let size = try attributes().size
    guard offset >= 0, offset < size else { throw .noSuchAddressOrDevice }
    switch whence {
    case SeekWhence.data: return offset
    case SeekWhence.hole: return size
    default: throw .malformedRequest
    }
  }

  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int {
    guard source is ObjectWriter || source is ObjectFile || source.ranged != nil else { throw .otherFileSystem }
    var bytes = [UInt8](repeating: 0, count: min(length, 1 << 20))
    let count = try source.fill(&bytes, at: sourceOffset)
    guard count > 0 else { return 0 }
    bytes.removeLast(bytes.count - count)
    return try bytes.withRawSpan { (bytes) throws(Errno) in try write(bytes, at: offset, durability: .none) }
  }

  func synchronize() throws(Errno) { try spool?.complete() }
  func flush() throws(Errno) { try spool?.complete() }
  func changeMode(_ mode: UInt32) throws(Errno) { try reader.changeMode(mode) }
}

/// A new file that nobody sees yet.
final class PreparedFile: PreparedNode {
  private let parent: ObjectNode
  private let path: NodePath
  private let spool: Spool
  private let isPlaced = Mutex(false)

  init(_ parent: ObjectNode, _ path: NodePath) throws(Errno) {
    self.parent = parent
    self.path = path
    spool = try parent.fileSystem.makeSpool(path)
  }

  deinit { if !isPlaced.withLock({ $0 }) { spool.discard() } }

  var identity: NodeIdentity? { nil }

  func fingerprint() throws(Errno) -> NodeIdentity { ObjectNode.fingerprint(try spool.object()) }

  func place() throws(Errno) -> CreatedNode {
    try parent.checkPresent()
    let fileSystem = parent.fileSystem
    guard try fileSystem.tree.entry(path).object == .absent, fileSystem.tree.spools.insert(spool, at: path) else {
      throw .nameTaken
    }
    do throws(Errno) { try spool.place() } catch {
      fileSystem.tree.spools.remove(spool, at: path)
      throw error
    }
    isPlaced.withLock { $0 = true }
    let version = try spool.version()
    let node = ObjectNode(fileSystem, path, .file(stamp: spool.stamp))
    return CreatedNode(
      identity: nil, versionStamp: spool.stamp, attributes: fileSystem.attributes(ofFile: path, version), node: nil,
      file: ObjectWriter(node, version, spool: spool))
  }
}
