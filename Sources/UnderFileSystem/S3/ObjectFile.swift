import LinuxSystem
import Synchronization
import SystemPackage
import ObjectStore

/// One version of an object, open for reading.
final class ObjectFile: OpenFile {
  /// Follows renames.
  private let node: ObjectNode
  private let open: Mutex<ObjectVersion>

  init(_ node: ObjectNode, _ version: ObjectVersion) {
    self.node = node
    open = Mutex(version)
  }

  private var version: ObjectVersion { open.withLock { $0 } }

  /// Goes over to the version that this mount has made of the file, by a copy of a rename or by a write.
  /// - Returns: false where there is none.
  private func follow(_ version: ObjectVersion) throws(Errno) -> Bool {
    fileSystem.tree.forget(path)
    guard let now = try fileSystem.tree.entry(path).file, now.stamp == node.versionStamp, now.version != version else {
      return false
    }
    open.withLock { $0 = now.version }
    return true
  }

  private var fileSystem: ObjectFileSystem { node.fileSystem }
  private var path: NodePath { node.path }

  var access: FileAccess { .read }

  /// Of the version that is open. Where the name is known to stand for something else, it has lost its name.
  func attributes() throws(Errno) -> Attributes {
    if let spool = node.spool { return fileSystem.attributes(ofFile: path, try spool.version()) }
    let now = try fileSystem.tree.entry(path)
    let isCurrent = now.file?.version.entityTag == version.entityTag
    return fileSystem.attributes(ofFile: path, version, linkCount: isCurrent ? 1 : 0)
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
        buffer.replace(at: 0, with: bytes.span.bytes)
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
