import SystemPackage

/// One file of an in-memory UFS.
struct InMemoryFile: Sendable {
  var attributes: Attributes
  var content: [UInt8] = []
  var target: [UInt8] = []
  var extendedAttributes: [FileName: [UInt8]] = [:]
  /// Directories: names and where in the listing they stand.
  var children: [FileName: (inode: UInt64, cookie: UInt64)] = [:]
  var parent: UInt64 = 0
  var nextCookie: UInt64 = 3
  /// References and open files: with the last one an unlinked file is gone.
  var holds = 0
}

/// All files of an in-memory UFS, by inode number; 1 is the root. Used under the lock of its file system.
struct InMemoryTree: Sendable {
  private(set) var files: [UInt64: InMemoryFile] = [:]
  private var nextInode: UInt64 = 2
  private var time: Int64 = 1_000_000_000_000_000_000

  init() {
    let now = time
    files[1] = InMemoryFile(
      attributes: Attributes(
        inode: 1, mode: FileType.directory | 0o755, linkCount: 2, uid: 0, gid: 0, size: 0, blocks: 0, accessTime: now,
        modificationTime: now, changeTime: now), parent: 1)
  }

  /// A clock of its own: later with every question, and the same in every run.
  mutating func now() -> Int64 {
    time += 1000
    return time
  }

  // MARK: Files

  func file(_ inode: UInt64) throws(Errno) -> InMemoryFile {
    guard let file = files[inode] else { throw .staleNFSFileHandle }
    return file
  }

  func attributes(_ inode: UInt64) throws(Errno) -> Attributes { try file(inode).attributes }

  mutating func change(_ inode: UInt64, _ body: (inout InMemoryFile, Int64) throws(Errno) -> Void) throws(Errno) {
    guard var file = files[inode] else { throw .staleNFSFileHandle }
    let now = now()
    // Taken out while it changes, so that its content is not copied.
    files[inode]?.content = []
    do throws(Errno) { try body(&file, now) } catch {
      files[inode] = file
      throw error
    }
    file.attributes.changeTime = now
    files[inode] = file
  }

  mutating func hold(_ inode: UInt64) { files[inode]?.holds += 1 }

  mutating func release(_ inode: UInt64) {
    files[inode]?.holds -= 1
    removeIfUnused(inode)
  }

  private mutating func removeIfUnused(_ inode: UInt64) {
    if let file = files[inode], file.holds <= 0, file.attributes.linkCount == 0 { files[inode] = nil }
  }

  /// A file without a name: link count 0.
  mutating func make(_ object: NewObject, in parent: UInt64, for creator: Creator) throws(Errno) -> UInt64 {
    let directory = try self.directory(parent)
    let inode = nextInode
    nextInode += 1
    let now = now()
    let inherits = directory.attributes.mode & 0o2000 != 0
    var mode = object.mode
    var file = InMemoryFile(
      attributes: Attributes(
        inode: inode, mode: 0, linkCount: 0, uid: creator.uid ?? creator.caller.uid,
        gid: creator.gid ?? (inherits ? directory.attributes.gid : creator.caller.gid), size: 0, blocks: 0,
        accessTime: now, modificationTime: now, changeTime: now))
    switch object {
    case .file: mode = FileType.regular | (mode & 0o7777 & ~creator.caller.umask)
    case .directory:
      mode = FileType.directory | (mode & 0o1777 & ~creator.caller.umask) | (inherits ? 0o2000 : 0)
      file.parent = parent
    case .symlink(let target):
      mode = FileType.symlink | 0o777
      file.target = target
      file.attributes.size = Int64(target.count)
    case .special(_, let device):
      mode &= ~creator.caller.umask
      file.attributes.device = device
    }
    file.attributes.mode = mode
    files[inode] = file
    return inode
  }

  // MARK: Names

  func directory(_ inode: UInt64) throws(Errno) -> InMemoryFile {
    let file = try file(inode)
    guard file.attributes.isDirectory else { throw .notDirectory }
    return file
  }

  func lookup(_ name: FileName, in parent: UInt64) throws(Errno) -> UInt64 {
    guard let child = try directory(parent).children[name] else { throw .noSuchFileOrDirectory }
    return child.inode
  }

  /// - Throws: EEXIST when the name is taken, ENOENT when the directory was removed.
  mutating func attach(_ inode: UInt64, as name: FileName, in parent: UInt64) throws(Errno) {
    let directory = try directory(parent)
    guard directory.attributes.linkCount > 0 else { throw .noSuchFileOrDirectory }
    guard directory.children[name] == nil else { throw .fileExists }
    let isDirectory = try file(inode).attributes.isDirectory
    try change(parent) { (directory, now) throws(Errno) in
      directory.children[name] = (inode, directory.nextCookie)
      directory.nextCookie += 1
      directory.attributes.modificationTime = now
      if isDirectory { directory.attributes.linkCount += 1 }
    }
    let subdirectories = UInt32(try file(inode).subdirectories(in: files))
    try change(inode) { (file, _) throws(Errno) in
      file.attributes.linkCount = isDirectory ? 2 + subdirectories : file.attributes.linkCount + 1
      if isDirectory { file.parent = parent }
    }
  }

  /// Takes a name away and leaves the file.
  mutating func detach(_ name: FileName, in parent: UInt64) throws(Errno) -> UInt64 {
    let inode = try lookup(name, in: parent)
    let isDirectory = try file(inode).attributes.isDirectory
    try change(parent) { (directory, now) throws(Errno) in
      directory.children[name] = nil
      directory.attributes.modificationTime = now
      if isDirectory { directory.attributes.linkCount -= 1 }
    }
    try change(inode) { (file, _) throws(Errno) in
      file.attributes.linkCount = isDirectory ? 0 : file.attributes.linkCount - 1
    }
    return inode
  }

  mutating func remove(_ name: FileName, in parent: UInt64, directory wantsDirectory: Bool) throws(Errno) {
    let victim = try file(try lookup(name, in: parent))
    if wantsDirectory {
      guard victim.attributes.isDirectory else { throw .notDirectory }
      guard victim.children.isEmpty else { throw .directoryNotEmpty }
    } else if victim.attributes.isDirectory {
      throw .isDirectory
    }
    removeIfUnused(try detach(name, in: parent))
  }

  mutating func rename(
    _ name: FileName, in parent: UInt64, to newName: FileName, in newParent: UInt64, flags: RenameFlags
  ) throws(Errno) {
    guard !flags.contains(.whiteout), !flags.isSuperset(of: [.noReplace, .exchange]) else { throw .invalidArgument }
    let source = try lookup(name, in: parent)
    let moved = try file(source)
    _ = try directory(newParent)
    if moved.attributes.isDirectory, isWithin(newParent, source) { throw .invalidArgument }
    guard let target = try directory(newParent).children[newName]?.inode else {
      if flags.contains(.exchange) { throw .noSuchFileOrDirectory }
      try attach(try detach(name, in: parent), as: newName, in: newParent)
      return
    }
    if flags.contains(.noReplace) { throw .fileExists }
    let replaced = try file(target)
    if flags.contains(.exchange) {
      if replaced.attributes.isDirectory, isWithin(parent, target) { throw .invalidArgument }
      if source == target { return }
      _ = try detach(name, in: parent)
      _ = try detach(newName, in: newParent)
      try attach(source, as: newName, in: newParent)
      return try attach(target, as: name, in: parent)
    }
    if source == target { return }
    if moved.attributes.isDirectory {
      guard replaced.attributes.isDirectory else { throw .notDirectory }
      guard replaced.children.isEmpty else { throw .directoryNotEmpty }
    } else if replaced.attributes.isDirectory {
      // The target holds the source's way: Linux looks at that before it looks at the types.
      throw isWithin(parent, target) ? .directoryNotEmpty : .isDirectory
    }
    removeIfUnused(try detach(newName, in: newParent))
    try attach(try detach(name, in: parent), as: newName, in: newParent)
  }

  /// Whether `inode` is `ancestor` or lies beneath it.
  private func isWithin(_ inode: UInt64, _ ancestor: UInt64) -> Bool {
    var step = inode
    while step != ancestor {
      guard let parent = files[step]?.parent, parent != step else { return false }
      step = parent
    }
    return true
  }
}

extension InMemoryFile {
  func subdirectories(in files: [UInt64: InMemoryFile]) -> Int {
    children.values.count { files[$0.inode]?.attributes.isDirectory == true }
  }
}
