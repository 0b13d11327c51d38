internal import LinuxSystem
import Synchronization
import SystemPackage

/// An open file of an in-memory UFS: it keeps its file when the last name goes.
final class InMemoryOpenFile: OpenFile {
  private let fileSystem: InMemoryFileSystem
  private let inode: UInt64
  let access: FileAccess

  init(_ fileSystem: InMemoryFileSystem, _ inode: UInt64, access: FileAccess) {
    self.fileSystem = fileSystem
    self.inode = inode
    self.access = access
    fileSystem.tree.withLock { $0.hold(inode) }
  }

  deinit { fileSystem.tree.withLock { $0.release(inode) } }

  private func change(_ body: (inout InMemoryFile, Int64) throws(Errno) -> Void) throws(Errno) {
    guard access == .readWrite else { throw .badFileDescriptor }
    try fileSystem.tree.withLock { (tree) throws(Errno) in try tree.change(inode, body) }
  }

  private func content() throws(Errno) -> [UInt8] {
    try fileSystem.tree.withLock { (tree) throws(Errno) in try tree.file(inode).content }
  }

  func attributes() throws(Errno) -> Attributes {
    try fileSystem.tree.withLock { (tree) throws(Errno) in try tree.attributes(inode) }
  }

  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    guard offset >= 0 else { throw .invalidArgument }
    let content = try content()
    guard offset < content.count else { return 0 }
    let count = min(buffer.byteCount, content.count - Int(offset))
    for index in 0..<count {
      buffer.storeBytes(of: content[Int(offset) + index], toByteOffset: index, as: UInt8.self)
    }
    return count
  }

  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int {
    guard offset >= 0 else { throw .invalidArgument }
    let count = bytes.byteCount
    guard count > 0 else { return 0 }
    let copy = bytes.bytes
    try change { (file, now) throws(Errno) in try file.put(copy, at: offset, now: now) }
    return count
  }

  func truncate(to size: Int64) throws(Errno) {
    try change { (file, now) throws(Errno) in try file.resize(to: size, now: now) }
  }

  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    guard offset >= 0, length > 0 else { throw .invalidArgument }
    try change { (file, now) throws(Errno) in
      let end = offset + length
      switch mode {
      case 0: if end > file.attributes.size { try file.resize(to: end, now: now) }
      case 1: break
      case 3:
        let last = min(Int(end), file.content.count)
        if Int(offset) < last { for index in Int(offset)..<last { file.content[index] = 0 } }
      default: throw .notSupported
      }
    }
  }

  /// As a file system without holes: all is data, and the end is a hole.
  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let size = try attributes().size
    guard offset >= 0, offset < size else { throw .noSuchAddressOrDevice }
    switch whence {
    case 3: return offset
    case 4: return size
    default: throw .invalidArgument
    }
  }

  func copy(
    from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int
  ) throws(Errno) -> Int {
    guard let source = source as? InMemoryOpenFile, source.fileSystem === fileSystem else { throw .improperLink }
    let content = try source.content()
    guard sourceOffset >= 0, sourceOffset < content.count else { return 0 }
    let part = Array(content[Int(sourceOffset)...].prefix(length))
    try change { (file, now) throws(Errno) in try file.put(part, at: offset, now: now) }
    return part.count
  }

  func synchronize() throws(Errno) { _ = try attributes() }
  func flush() throws(Errno) {}
  func changeMode(_ mode: UInt32) throws(Errno) {
    try fileSystem.tree.withLock { (tree) throws(Errno) in
      try tree.change(inode) { (file, _) throws(Errno) in
        file.attributes.mode = file.attributes.type | mode & 0o7777
      }
    }
  }
}

extension InMemoryFile {
  mutating func put(_ bytes: [UInt8], at offset: Int64, now: Int64) throws(Errno) {
    let end = offset + Int64(bytes.count)
    if end > attributes.size { try resize(to: end, now: now) }
    content.replaceSubrange(Int(offset)..<Int(end), with: bytes)
    attributes.modificationTime = now
  }
}

/// An object of an in-memory UFS that has no name yet.
final class InMemoryPreparedNode: PreparedNode {
  private let fileSystem: InMemoryFileSystem
  private let inode: UInt64
  private let name: FileName
  /// Keeps the directory, should it be removed meanwhile.
  private let parent: InMemoryNode
  private let parentInode: UInt64
  private let node: InMemoryNode
  private let isFile: Bool

  init(
    _ fileSystem: InMemoryFileSystem, _ inode: UInt64, name: FileName, parent: InMemoryNode, parentInode: UInt64,
    isFile: Bool
  ) {
    self.fileSystem = fileSystem
    self.inode = inode
    self.name = name
    self.parent = parent
    self.parentInode = parentInode
    self.isFile = isFile
    // Goes with the last reference unless it has been placed.
    node = InMemoryNode(fileSystem, inode)
  }

  var identity: NodeIdentity? { InMemoryFileSystem.identity(inode) }

  func fingerprint() throws(Errno) -> NodeIdentity { InMemoryFileSystem.identity(inode) }

  func place() throws(Errno) -> CreatedNode {
    let attributes = try fileSystem.tree.withLock { (tree) throws(Errno) in
      try tree.attach(inode, as: name, in: parentInode)
      return try tree.attributes(inode)
    }
    return CreatedNode(
      identity: identity, attributes: attributes, node: isFile ? nil : node,
      file: isFile ? InMemoryOpenFile(fileSystem, inode, access: .readWrite) : nil)
  }
}

/// A directory of an in-memory UFS being read; entries stand in the order in which they came.
final class InMemoryDirectoryStream: DirectoryStream {
  private let fileSystem: InMemoryFileSystem
  private let directory: InMemoryNode
  private let inode: UInt64
  private let cursor: Mutex<UInt64>

  init(_ fileSystem: InMemoryFileSystem, _ directory: InMemoryNode, _ inode: UInt64, from cookie: UInt64) {
    self.fileSystem = fileSystem
    self.directory = directory
    self.inode = inode
    cursor = Mutex(cookie)
  }

  var position: UInt64 { cursor.withLock { $0 } }

  func forEach(_ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool) throws(Errno) -> Bool {
    let entries = try fileSystem.tree.withLock { (tree) throws(Errno) in
      let file = try tree.directory(inode)
      var entries: [(name: FileName, inode: UInt64, type: UInt8, cookie: UInt64)] = [
        (".", inode, 4, 1), ("..", file.parent, 4, 2),
      ]
      for (name, child) in file.children.sorted(by: { $0.value.cookie < $1.value.cookie }) {
        let type = UInt8(((tree.files[child.inode]?.attributes.mode ?? 0) & FileType.mask) >> 12)
        entries.append((name, child.inode, type, child.cookie))
      }
      return entries
    }
    let start = position
    for entry in entries where entry.cookie > start {
      guard try body(entry.name.nulTerminated.span, entry.inode, entry.type, entry.cookie) else { return false }
      cursor.withLock { $0 = entry.cookie }
    }
    return true
  }
}
