import Synchronization
import SystemPackage

/// A reference to a file of an in-memory UFS.
final class InMemoryNode: UnderNode {
  private let fileSystem: InMemoryFileSystem
  private let inode: UInt64

  init(_ fileSystem: InMemoryFileSystem, _ inode: UInt64) {
    self.fileSystem = fileSystem
    self.inode = inode
    fileSystem.tree.withLock { $0.hold(inode) }
  }

  deinit { fileSystem.tree.withLock { $0.release(inode) } }

  var identity: NodeIdentity? { InMemoryFileSystem.identity(inode) }

  func fingerprint() throws(Errno) -> NodeIdentity { InMemoryFileSystem.identity(inode) }

  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity {
    try name.check()
    return InMemoryFileSystem.identity(try withTree { (tree) throws(Errno) in try tree.lookup(name, in: inode) })
  }

  private func withTree<R: Sendable>(
    _ body: (inout InMemoryTree) throws(Errno) -> R
  ) throws(Errno) -> R {
    try fileSystem.tree.withLock { (tree) throws(Errno) in try body(&tree) }
  }

  func attributes() throws(Errno) -> Attributes { try withTree { (tree) throws(Errno) in try tree.attributes(inode) } }

  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes {
    try withTree { (tree) throws(Errno) in
      try tree.change(inode) { (file, now) throws(Errno) in try file.apply(change, now: now) }
      return try tree.attributes(inode)
    }
  }

  func readLink() throws(Errno) -> [UInt8] {
    let file = try withTree { (tree) throws(Errno) in try tree.file(inode) }
    guard file.attributes.type == FileType.symlink else { throw .invalidArgument }
    return file.target
  }

  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    switch try attributes().type {
    case FileType.regular: return InMemoryOpenFile(fileSystem, inode, access: access)
    case FileType.directory: throw .isDirectory
    case FileType.symlink: throw .tooManySymbolicLinkLevels
    default: throw .noSuchAddressOrDevice
    }
  }

  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile {
    let attributes = try attributes()
    let shift: UInt32 = caller.uid == attributes.uid ? 6 : caller.gid == attributes.gid ? 3 : 0
    let wanted: UInt32 = access == .read ? 4 : 6
    guard caller.uid == 0 || attributes.mode >> shift & wanted == wanted else { throw .permissionDenied }
    return try open(access, caller: caller)
  }

  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream {
    _ = try withTree { (tree) throws(Errno) in try tree.directory(inode) }
    return InMemoryDirectoryStream(fileSystem, self, inode, from: cookie)
  }

  func lookup(_ name: FileName) throws(Errno) -> FoundNode {
    try name.check()
    let (child, attributes) = try withTree { (tree) throws(Errno) in
      let child = try tree.lookup(name, in: inode)
      return (child, try tree.attributes(child))
    }
    return FoundNode(node: InMemoryNode(fileSystem, child), attributes: attributes)
  }

  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode {
    try name.checkNew()
    let made = try withTree { (tree) throws(Errno) in try tree.make(object, in: inode, for: creator) }
    let isFile = if case .file = object { true } else { false }
    return InMemoryPreparedNode(fileSystem, made, name: name, parent: self, parentInode: inode, isFile: isFile)
  }

  /// Prepared objects have no name here.
  func sweep(token: UInt64) {}

  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno) {
    try name.checkNew()
    guard let node = node as? InMemoryNode, node.fileSystem === fileSystem else { throw .improperLink }
    try withTree { (tree) throws(Errno) in
      let attributes = try tree.attributes(node.inode)
      if tree.files[inode]?.children[name] != nil { throw .fileExists }
      guard !attributes.isDirectory else { throw .notPermitted }
      guard attributes.linkCount > 0 else { throw .noSuchFileOrDirectory }
      try tree.attach(node.inode, as: name, in: inode)
    }
  }

  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno) {
    try name.check()
    try withTree { (tree) throws(Errno) in try tree.remove(name, in: inode, directory: directory) }
  }

  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller
  ) throws(Errno) {
    try name.check()
    try newName.checkNew()
    guard let newParent = newParent as? InMemoryNode, newParent.fileSystem === fileSystem else { throw .improperLink }
    try withTree { (tree) throws(Errno) in
      try tree.rename(name, in: inode, to: newName, in: newParent.inode, flags: flags)
    }
  }

  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8] {
    guard let value = try withTree({ (tree) throws(Errno) in try tree.file(inode).extendedAttributes[name] }) else {
      throw .noData
    }
    return value
  }

  func extendedAttributeNames() throws(Errno) -> [UInt8] {
    try withTree { (tree) throws(Errno) in try tree.file(inode).extendedAttributes.keys.flatMap(\.nulTerminated) }
  }

  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) {
    try withTree { (tree) throws(Errno) in
      try tree.change(inode) { (file, _) throws(Errno) in
        let present = file.extendedAttributes[name] != nil
        if flags.contains(.create), present { throw .fileExists }
        if flags.contains(.replace), !present { throw .noData }
        file.extendedAttributes[name] = value
      }
    }
  }

  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno) {
    try withTree { (tree) throws(Errno) in
      try tree.change(inode) { (file, _) throws(Errno) in
        guard file.extendedAttributes.removeValue(forKey: name) != nil else { throw .noData }
      }
    }
  }

  func synchronize() throws(Errno) { _ = try attributes() }
}

extension InMemoryFile {
  mutating func apply(_ change: AttributeChange, now: Int64) throws(Errno) {
    if change.uid != nil || change.gid != nil {
      attributes.uid = change.uid ?? attributes.uid
      attributes.gid = change.gid ?? attributes.gid
      clearSetIDBits()
    }
    if let mode = change.mode {
      guard attributes.type != FileType.symlink else { throw .notSupported }
      attributes.mode = attributes.type | mode & 0o7777
    }
    if let size = change.size {
      guard attributes.isRegular else { throw attributes.isDirectory ? .isDirectory : .invalidArgument }
      try resize(to: size, now: now)
    }
    if change.killPrivileges, change.mode == nil { clearSetIDBits() }
    attributes.accessTime = change.accessTime?.value(now: now) ?? attributes.accessTime
    attributes.modificationTime = change.modificationTime?.value(now: now) ?? attributes.modificationTime
  }

  mutating func resize(to size: Int64, now: Int64) throws(Errno) {
    guard size >= 0 else { throw .invalidArgument }
    // Far more than a test writes; a sparse file would need its whole size in memory here.
    guard size <= 1 << 30 else { throw .fileTooLarge }
    let count = Int(size)
    if count < content.count {
      content.removeLast(content.count - count)
    } else {
      content += [UInt8](repeating: 0, count: count - content.count)
    }
    attributes.size = size
    attributes.blocks = (size + 511) / 512
    attributes.modificationTime = now
  }

  mutating func clearSetIDBits() {
    guard attributes.isRegular else { return }
    attributes.mode &= ~0o4000
    if attributes.mode & 0o010 != 0 { attributes.mode &= ~0o2000 }
  }
}

extension TimeChange {
  fileprivate func value(now: Int64) -> Int64 {
    switch self {
    case .now: now
    case .at(let time): time
    }
  }
}
