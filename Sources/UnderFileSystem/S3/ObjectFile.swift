import LinuxSystem
import Synchronization
import SystemPackage
import ObjectStore

/// One version of an object, open for reading; and those that this mount makes of the file, one after the other.
final class ObjectFile: RangedFile {
  private struct Open: Sendable {
    var version: ObjectVersion
    /// Where it is: part of what pages are known by.
    var path: NodePath
    var revision = 0
    /// Changes of this mount as of the last look.
    var changes: Int
  }

  /// Follows renames.
  private let node: ObjectNode
  private let open: Mutex<Open>

  init(_ node: ObjectNode, _ version: ObjectVersion) {
    self.node = node
    open = Mutex(Open(version: version, path: node.path, changes: node.fileSystem.tree.changeCount))
  }

  /// That which is open, or what this mount has made of it since.
  private var version: ObjectVersion {
    _ = revision
    return open.withLock { $0.version }
  }

  /// Goes over to the version that this mount has made of the file, by a copy of a rename or by a write.
  /// - Returns: false where there is none.
  private func follow(_ version: ObjectVersion) throws(Errno) -> Bool {
    fileSystem.tree.forget(path)
    guard let now = try fileSystem.tree.entry(path).file, now.stamp == node.versionStamp, now.version != version else {
      return false
    }
    turn(to: now.version)
    return true
  }

  private func turn(to version: ObjectVersion) {
    let path = path
    open.withLock { open in
      open.version = version
      open.path = path
      open.revision += 1
    }
  }

  private var fileSystem: ObjectFileSystem { node.fileSystem }
  private var path: NodePath { node.path }

  var access: FileAccess { .read }
  var ranged: (any RangedFile)? { self }

  /// Of the version that is open, or that this mount has made of it since. Where the name is known to stand for something
  /// else, the file has lost its name.
  func attributes() throws(Errno) -> Attributes {
    if let spool = node.spool {
      return fileSystem.attributes(ofFile: path, try spool.version(), linkCount: spool.isUnlinked ? 0 : 1)
    }
    if let now = try fileSystem.tree.entry(path).file, now.stamp == node.versionStamp {
      return fileSystem.attributes(ofFile: path, now.version)
    }
    return fileSystem.attributes(ofFile: path, version, linkCount: 0)
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    guard offset >= 0 else { throw .negativePlace }
    while true {
      // What this mount writes is seen at once.
      if let spool = node.spool { return try spool.read(into: &buffer, at: offset) }
      let version = version
      let end = min(version.size, offset + Int64(buffer.byteCount))
      guard offset < end else { return 0 }
      do throws(BucketError) {
        let bytes = try fileSystem.read(path, version, offset..<end)
        buffer.replace(at: 0, with: bytes)
        return bytes.count
      } catch {
        switch error.kind {
        case .notFound, .precondition, .range: guard try follow(version) else { throw .versionGone }
        default:
          fileSystem.log.report(error, "a read", path)
          throw error.errno
        }
      }
    }
  }

  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    guard offset >= 0, offset < version.size else { throw .noSuchAddressOrDevice }
    switch whence {
    case SeekWhence.data: return offset
    case SeekWhence.hole: return version.size
    default: throw .malformedRequest
    }
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    throw .notOpenForWriting
  }
  func truncate(to size: Int64) throws(Errno) { throw .notOpenForWriting }
  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) { throw .notOpenForWriting }
  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int {
    throw .notOpenForWriting
  }
  func synchronize() throws(Errno) {}
  func flush() throws(Errno) {}
  func changeMode(_ mode: UInt32) throws(Errno) {
    if mode & 0o7777 != 0o644 { throw fileSystem.refused.refuse("chmod") }
  }
}

// MARK: - Ranges

extension ObjectFile {
  var contentVersion: ContentVersion {
    let open = open.withLock { $0 }
    return ContentVersion(
      source: Array(fileSystem.bucket.name.utf8), path: open.path.bytes, tag: Array(open.version.entityTag.value.utf8),
      size: open.version.size)
  }

  /// Looks whether this mount has made another version of the file, or moved it; asks nobody.
  var revision: Int {
    let tree = fileSystem.tree
    let (changes, path) = (tree.changeCount, path)
    let known = open.withLock { $0 }
    if known.changes == changes, known.path == path { return known.revision }
    var version = known.version
    if let now = tree.remembered(path)?.file, now.stamp == node.versionStamp { version = now.version }
    let isSame = version.isSameContent(as: known.version) && known.path == path
    return open.withLock { open in
      guard open.revision == known.revision else { return open.revision }
      open.changes = changes
      if isSame { return open.revision }
      (open.version, open.path) = (version, path)
      open.revision += 1
      return open.revision
    }
  }

  var isWritten: Bool { node.spool != nil }

  func follow() throws(Errno) -> Bool { try follow(version) }

  /// Where the file is now: of one ETag, a copy that a rename has made is the same bytes.
  func fetch(_ range: Range<Int64>, of version: ContentVersion, into sink: any RangeSink) -> any RangeTransfer {
    let tag = EntityTag(String(decoding: version.tag, as: UTF8.self))
    let path = path
    let forwarder = RangeForwarder(sink, tag, path, fileSystem.log)
    return BucketRange(fileSystem.bucket.read(path.fileKey, range: range, ifMatch: tag, into: forwarder))
  }
}

extension ObjectVersion {
  func isSameContent(as other: ObjectVersion) -> Bool { entityTag == other.entityTag && size == other.size }
}

/// Hands what comes from a bucket to who reads the file.
private final class RangeForwarder: ObjectSink {
  private let sink: any RangeSink
  private let tag: EntityTag
  private let path: NodePath
  private let log: any ObjectStoreLog
  private let isOtherVersion = Atomic(false)

  init(_ sink: any RangeSink, _ tag: EntityTag, _ path: NodePath, _ log: any ObjectStoreLog) {
    self.sink = sink
    self.tag = tag
    self.path = path
    self.log = log
  }

  /// Some services ignore `If-Match`.
  func begin(_ tag: EntityTag) -> Bool {
    if tag != self.tag { isOtherVersion.store(true, ordering: .relaxed) }
    return tag == self.tag
  }

  func receive(_ bytes: RawSpan) -> Bool { sink.receive(bytes) }

  func finish(_ error: BucketError?) {
    guard !isOtherVersion.load(ordering: .relaxed) else { return sink.finish(.versionGone) }
    guard let error else { return sink.finish(nil) }
    switch error.kind {
    case .notFound, .precondition, .range: sink.finish(.versionGone)
    case .cancelled: sink.finish(.canceled)
    default:
      log.report(error, "a read", path)
      sink.finish(error.errno)
    }
  }
}

/// A bucket's transfer as that of a file.
private final class BucketRange: RangeTransfer {
  private let transfer: any ObjectTransfer

  init(_ transfer: any ObjectTransfer) { self.transfer = transfer }

  func cancel() { transfer.cancel() }
}

/// SEEK_DATA and SEEK_HOLE of lseek(2).
enum SeekWhence {
  static let data: Int32 = 3
  static let hole: Int32 = 4
}

/// Collects a range for a thread that waits for it.
final class RangeReader: ObjectSink {
  private struct State: Sendable {
    var bytes: [UInt8] = []
    var isOtherVersion = false
    var result: Result<[UInt8], BucketError>?
  }

  private let tag: EntityTag
  private let count: Int
  private let state = Mutex(State())
  private let monitor = Monitor()
  private let isOver: Condition

  init(tag: EntityTag, count: Int) {
    self.tag = tag
    self.count = count
    isOver = Condition(of: monitor)
  }

  /// Some services ignore `If-Match`.
  func begin(_ tag: EntityTag) -> Bool {
    state.withLock { state in
      state.isOtherVersion = tag != self.tag
      return !state.isOtherVersion
    }
  }

  func receive(_ bytes: RawSpan) -> Bool {
    state.withLock { state in
      guard bytes.byteCount <= count - state.bytes.count else { return false }
      state.bytes += bytes.bytes
      return true
    }
  }

  func finish(_ error: BucketError?) {
    monitor.locked {
      state.withLock { state in
        if state.isOtherVersion {
          state.result = .failure(BucketError(.precondition, "the answer is another version"))
        } else if let error {
          state.result = .failure(error)
        } else if state.bytes.count != count {
          state.result = .failure(BucketError(.other, "\(state.bytes.count) bytes came in place of \(count)"))
        } else {
          state.result = .success(state.bytes)
        }
      }
      isOver.broadcast()
    }
  }

  func wait() throws(BucketError) -> [UInt8] {
    try monitor.locked { () -> Result<[UInt8], BucketError> in
      while true {
        if let result = state.withLock({ $0.result }) { return result }
        isOver.wait()
      }
    }.get()
  }
}
