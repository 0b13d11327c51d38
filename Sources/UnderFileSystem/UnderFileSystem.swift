import LinuxSystem
package import SystemPackage

/// Storage that a volume shows: a tree of nodes. Calls block the thread that makes them; every error is an `Errno`.
/// Implementations never leave their root, whatever names and links say.
package protocol UnderFileSystem: AnyObject, Sendable {
  /// Regular files are prepared without any name (O_TMPFILE), so that nothing is left when the worker dies.
  var preparesFilesUnnamed: Bool { get }
  /// Whether the kernel may read and write files itself, with the rights of whoever registers them: not on network file
  /// systems, which judge each opener.
  var lendsFiles: Bool { get }
  /// Whether nodes are to be told when the last handle that writes is closed.
  var wantsCloses: Bool { get }
  /// Whether a rename with these flags can be asked for; others are EINVAL, whatever is there.
  func canRename(_ flags: RenameFlags) -> Bool
  /// Whether a worker before has left what nobody may be left to close.
  var hasLeftovers: Bool { get }
  /// Closes of that what nobody has open: all who have it have said so by now.
  /// - Parameter isOpen: told the names from the root down; whether a handle that may write leads there.
  func closeLeftovers(unless isOpen: ([FileName]) -> Bool)
  /// The directory that the volume shows.
  var root: any UnderNode { get }
  /// The node of that identity, whatever it is called now.
  /// - Throws: ESTALE when it is gone; ENOTSUP where nodes have no identity.
  func node(_ identity: NodeIdentity) throws(Errno) -> any UnderNode
  /// Size and use, statfs(2).
  func statistics() throws(Errno) -> FileSystemStatistics
}

/// A reference to one node: it stays the same object through renames as long as the reference lives.
/// Local: an O_PATH descriptor, closed with the last reference.
package protocol UnderNode: AnyObject, Sendable {
  /// nil where the under file system has none: the node is then known by its parent and name.
  var identity: NodeIdentity? { get }
  /// Of a node without an identity: tells the file from others that have its name in turn, where the inode number does not.
  /// The same for every process; nil: the inode number tells them apart.
  var versionStamp: UInt64? { get }
  /// A descriptor of this process that keeps the object alive whatever its names, valid as long as the reference; nil where
  /// nodes are nothing but memory.
  var descriptorNumber: CInt? { get }
  /// Whether open(2) of this regular file takes O_DIRECT.
  var allowsDirectIO: Bool { get }

  /// What tells this object from every other one, to this process and the next: its identity or what comes nearest to one.
  /// For the intent journal.
  func fingerprint() throws(Errno) -> NodeIdentity
  /// The same of a child of this directory, which is not opened for it. - Throws: ENOENT.
  func fingerprint(of name: FileName) throws(Errno) -> NodeIdentity

  func attributes() throws(Errno) -> Attributes
  /// Applies all changes; those before a failing one stay applied, as with the separate system calls.
  /// - Parameter caller: tried when the under file system refuses the worker itself (root_squash).
  func setAttributes(_ change: AttributeChange, caller: Caller) throws(Errno) -> Attributes
  /// The target of a symlink, without NUL.
  func readLink() throws(Errno) -> [UInt8]
  /// Opens a regular file. Symlinks, devices and pipes are refused with ELOOP or ENXIO: the kernel opens those itself.
  func open(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile
  /// No handle that may write is open any more. Said where `wantsCloses`, also by a worker that did not open the file.
  func lastWriterClosed()
  /// As `open`, but with the caller's rights alone: for an open whose permission the kernel has not checked.
  func openAsCaller(_ access: FileAccess, caller: Caller) throws(Errno) -> any OpenFile
  /// Starts at the cookie of an entry, 0: at the first.
  func list(from cookie: UInt64) throws(Errno) -> any DirectoryStream
  /// Names of files that stood behind `name` when this directory was listed, in their order; fewer than `limit`, or none, where
  /// no more are remembered. Asks nobody.
  func names(behind name: FileName, limit: Int) -> [FileName]
  /// The file of that name in this directory, to be read, as it was when it was last heard of; nil where nothing is remembered of
  /// it, or its bytes do not come over a network. Asks nobody.
  func rememberedFile(_ name: FileName) -> (any RangedFile)?

  /// A child of this directory. Symlinks are not followed; hidden temporary names are ENOENT.
  func lookup(_ name: FileName) throws(Errno) -> FoundNode
  /// Makes an object for this directory with its final owner and mode and no visible name.
  /// - Parameter token: unique; where the object needs a hidden name until it is placed, the name is made of it.
  func prepare(
    _ object: NewObject, named name: FileName, token: UInt64, for creator: Creator
  ) throws(Errno) -> any PreparedNode
  /// Removes what a worker that died left under the hidden name of `token`, if it is there.
  func sweep(token: UInt64)
  /// Gives `node` another name in this directory. EXDEV when it belongs to another under file system.
  func link(_ node: any UnderNode, named name: FileName, caller: Caller) throws(Errno)
  func remove(_ name: FileName, directory: Bool, caller: Caller) throws(Errno)
  func rename(
    _ name: FileName, to newParent: any UnderNode, named newName: FileName, flags: RenameFlags, caller: Caller)
    throws(Errno)

  /// Of a rename whose worker has died, before which nothing had the new name: whether what has it now may come of it, as where
  /// a rename is a copy and a removal.
  func hasBegunRename(_ name: FileName, to newParent: any UnderNode, named newName: FileName) -> Bool

  /// The value of an extended attribute. - Throws: ENODATA, ENOTSUP.
  func extendedAttribute(_ name: FileName) throws(Errno) -> [UInt8]
  /// All names, each followed by a NUL.
  func extendedAttributeNames() throws(Errno) -> [UInt8]
  func setExtendedAttribute(
    _ name: FileName, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller) throws(Errno)
  func removeExtendedAttribute(_ name: FileName, caller: Caller) throws(Errno)
  /// fsync(2) of a directory.
  func synchronize() throws(Errno)
}

extension UnderFileSystem {
  package var lendsFiles: Bool { false }
  package var wantsCloses: Bool { false }
  package var hasLeftovers: Bool { false }
  package func closeLeftovers(unless isOpen: ([FileName]) -> Bool) {}
  package func canRename(_ flags: RenameFlags) -> Bool { true }
}

extension UnderNode {
  package var versionStamp: UInt64? { nil }
  package func lastWriterClosed() {}
  package func hasBegunRename(_ name: FileName, to newParent: any UnderNode, named newName: FileName) -> Bool { false }
  package func names(behind name: FileName, limit: Int) -> [FileName] { [] }
  package func rememberedFile(_ name: FileName) -> (any RangedFile)? { nil }
  package var descriptorNumber: CInt? { nil }
  package var allowsDirectIO: Bool { true }
}

extension OpenFile {
  /// As `read`, for an array.
  func fill(_ bytes: inout [UInt8], at offset: Int64) throws(Errno) -> Int {
    try bytes.withMutableRawSpan { (bytes) throws(Errno) in try read(into: &bytes, at: offset) }
  }
  package var descriptorNumber: CInt? { nil }
}

/// An open regular file. Offsets are explicit, so that any number of threads may share it.
package protocol OpenFile: AnyObject, Sendable {
  var access: FileAccess { get }
  /// The descriptor, valid as long as the file; nil where there is none.
  var descriptorNumber: CInt? { get }
  /// This file, when its bytes come over a network: whoever reads it keeps what came.
  var ranged: (any RangedFile)? { get }
  func attributes() throws(Errno) -> Attributes
  /// - Returns: bytes put at the start of `buffer`; fewer than fit only at the end of the file.
  func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int
  /// - Returns: bytes written; fewer than given only when the medium is full.
  func write(_ bytes: RawSpan, at offset: Int64, durability: WriteDurability) throws(Errno) -> Int
  func truncate(to size: Int64) throws(Errno)
  /// - Parameter mode: FALLOC_FL_* bits.
  func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno)
  /// SEEK_DATA and SEEK_HOLE.
  func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64
  func copy(from source: any OpenFile, at sourceOffset: Int64, to offset: Int64, length: Int) throws(Errno) -> Int
  func synchronize() throws(Errno)
  /// What close(2) would report now (network file systems report write errors here).
  func flush() throws(Errno)
  /// fchmod(2): the 12 bits of permissions, setuid, setgid and sticky.
  func changeMode(_ mode: UInt32) throws(Errno)
}

/// An object that exists and has no visible name yet. Dropped without `place`, it is removed again.
package protocol PreparedNode: AnyObject, Sendable {
  /// Known before the object appears, so that it can be recorded; nil as for `UnderNode.identity`.
  var identity: NodeIdentity? { get }
  /// As `UnderNode.fingerprint`: the object keeps it when it appears.
  func fingerprint() throws(Errno) -> NodeIdentity
  /// Lets the object appear under the name it was prepared for.
  /// - Throws: EEXIST when the name is taken; the object is then gone.
  func place() throws(Errno) -> CreatedNode
}

/// A directory being read. One thread at a time.
package protocol DirectoryStream: AnyObject, Sendable {
  /// The cookie of the entry that `next` starts behind.
  var position: UInt64 { get }
  /// Hands entries to `body` until it returns false; that entry is handed over again by the next call.
  /// - Returns: whether the end was reached.
  /// - Parameter body: name with its NUL, inode number, DT_* type, cookie of the entry's successor.
  func forEach(_ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool) throws(Errno) -> Bool
}
