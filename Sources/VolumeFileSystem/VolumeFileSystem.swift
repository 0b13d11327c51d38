package import SystemPackage
package import UnderFileSystem
package import VolumeModel

/// One volume as FUSE sees it: one method per FUSE operation, without FUSE. Safe to call from any number of threads.
///
/// Every method runs on the calling thread and may block on the under file system. Methods that answer an `Entry` count a
/// lookup before they return: when the answer does not reach the kernel, `forget(_, 1)` takes it back.
package final class VolumeFileSystem: Sendable {
  let underFileSystem: any UnderFileSystem
  let state: SharedState

  /// Takes over whatever `state` holds, or starts an empty table.
  package init(underFileSystem: any UnderFileSystem, state: SharedState, options: WorkerOptions) throws(Errno) {
    self.underFileSystem = underFileSystem
    self.state = state
  }

  /// Changes what a republish may change while mounted: timeouts, capacity, readOnly.
  package func update(_ options: WorkerOptions) {}
}

// MARK: - Names and nodes

extension VolumeFileSystem {
  /// FUSE_LOOKUP. - Throws: ENOENT, ENOTDIR, ESTALE.
  package func lookup(_ name: FileName, in parent: NodeID) throws(Errno) -> Entry { throw .noFunction }

  /// FUSE_FORGET and each part of FUSE_BATCH_FORGET. Never fails, never blocks long.
  package func forget(_ node: NodeID, _ count: UInt64) {}

  /// FUSE_GETATTR.
  package func getAttributes(of node: NodeID, handle: HandleID? = nil) throws(Errno) -> AttributeReply {
    throw .noFunction
  }

  /// FUSE_SETATTR.
  package func setAttributes(
    _ change: AttributeChange, of node: NodeID, handle: HandleID? = nil, caller: Caller
  ) throws(Errno) -> AttributeReply { throw .noFunction }

  /// FUSE_READLINK: the target's bytes without NUL.
  package func readLink(_ node: NodeID) throws(Errno) -> [UInt8] { throw .noFunction }

  /// FUSE_MKNOD; `mode` carries the type. Regular files as well.
  package func makeNode(
    _ name: FileName, in parent: NodeID, mode: UInt32, device: UInt64, caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  /// FUSE_MKDIR.
  package func makeDirectory(
    _ name: FileName, in parent: NodeID, mode: UInt32, caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  /// FUSE_SYMLINK.
  package func makeSymlink(
    _ name: FileName, in parent: NodeID, target: [UInt8], caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  /// FUSE_LINK.
  package func link(
    _ node: NodeID, as name: FileName, in parent: NodeID, caller: Caller
  ) throws(Errno) -> Entry { throw .noFunction }

  /// FUSE_UNLINK.
  package func unlink(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) { throw .noFunction }

  /// FUSE_RMDIR.
  package func removeDirectory(_ name: FileName, in parent: NodeID, caller: Caller) throws(Errno) {
    throw .noFunction
  }

  /// FUSE_RENAME and FUSE_RENAME2.
  package func rename(
    _ name: FileName, in parent: NodeID, to newName: FileName, in newParent: NodeID, flags: RenameFlags,
    caller: Caller
  ) throws(Errno) { throw .noFunction }
}

// MARK: - Files

extension VolumeFileSystem {
  /// FUSE_OPEN. - Parameter flags: open(2) flags.
  package func open(_ node: NodeID, flags: Int32, caller: Caller) throws(Errno) -> OpenReply { throw .noFunction }

  /// FUSE_CREATE. - Parameter flags: open(2) flags; O_EXCL decides whether an existing file is opened.
  package func create(
    _ name: FileName, in parent: NodeID, mode: UInt32, flags: Int32, caller: Caller
  ) throws(Errno) -> (entry: Entry, open: OpenReply) { throw .noFunction }

  /// FUSE_READ. - Returns: bytes put at the start of `buffer`; fewer than fit only at the end of the file.
  package func read(
    _ node: NodeID, handle: HandleID, into buffer: inout MutableRawSpan, at offset: Int64
  ) throws(Errno) -> Int { throw .noFunction }

  /// FUSE_WRITE. - Parameter killPrivileges: FUSE_WRITE_KILL_SUIDGID.
  package func write(
    _ node: NodeID, handle: HandleID, _ bytes: RawSpan, at offset: Int64, killPrivileges: Bool
  ) throws(Errno) -> Int { throw .noFunction }

  /// FUSE_FLUSH, sent for every close(2) of a descriptor.
  package func flush(_ node: NodeID, handle: HandleID) throws(Errno) { throw .noFunction }

  /// FUSE_FSYNC; a datasync is a full fsync as well.
  package func synchronize(_ node: NodeID, handle: HandleID) throws(Errno) { throw .noFunction }

  /// FUSE_RELEASE: the open is over. Also for an open whose answer did not reach the kernel.
  package func release(_ node: NodeID, handle: HandleID) {}

  /// FUSE_FALLOCATE. - Parameter mode: FALLOC_FL_* bits.
  package func allocate(
    _ node: NodeID, handle: HandleID, mode: Int32, offset: Int64, length: Int64, caller: Caller
  ) throws(Errno) { throw .noFunction }

  /// FUSE_LSEEK: SEEK_DATA and SEEK_HOLE.
  package func seek(
    _ node: NodeID, handle: HandleID, offset: Int64, whence: Int32
  ) throws(Errno) -> Int64 { throw .noFunction }

  /// FUSE_COPY_FILE_RANGE.
  package func copyRange(
    from source: NodeID, handle sourceHandle: HandleID, at sourceOffset: Int64,
    to target: NodeID, handle targetHandle: HandleID, at targetOffset: Int64, length: Int, caller: Caller
  ) throws(Errno) -> Int { throw .noFunction }
}

// MARK: - Directories, attributes, the whole

extension VolumeFileSystem {
  /// FUSE_OPENDIR.
  package func openDirectory(_ node: NodeID, flags: Int32) throws(Errno) -> OpenReply { throw .noFunction }

  /// FUSE_READDIR. Cookies are those of the under file system and stay valid while the directory exists.
  /// - Parameters:
  ///   - cookie: 0 or the cookie of the last entry that was taken.
  ///   - body: gets name with its NUL, inode number, DT_* type and the entry's cookie; false ends without taking the entry.
  package func readDirectory(
    _ node: NodeID, handle: HandleID, from cookie: UInt64,
    _ body: (_ name: Span<UInt8>, _ inode: UInt64, _ type: UInt8, _ cookie: UInt64) throws(Errno) -> Bool
  ) throws(Errno) { throw .noFunction }

  /// FUSE_RELEASEDIR.
  package func releaseDirectory(_ node: NodeID, handle: HandleID) {}

  /// FUSE_FSYNCDIR.
  package func synchronizeDirectory(_ node: NodeID, handle: HandleID) throws(Errno) { throw .noFunction }

  /// FUSE_STATFS.
  package func statistics() throws(Errno) -> FileSystemStatistics { throw .noFunction }

  /// FUSE_GETXATTR; the caller compares sizes and answers ERANGE itself.
  package func extendedAttribute(_ name: FileName, of node: NodeID) throws(Errno) -> [UInt8] { throw .noFunction }

  /// FUSE_SETXATTR. - Parameter flags: XATTR_CREATE, XATTR_REPLACE.
  package func setExtendedAttribute(
    _ name: FileName, of node: NodeID, to value: [UInt8], flags: ExtendedAttributeFlags, caller: Caller
  ) throws(Errno) { throw .noFunction }

  /// FUSE_LISTXATTR: names, each followed by a NUL.
  package func extendedAttributeNames(of node: NodeID) throws(Errno) -> [UInt8] { throw .noFunction }

  /// FUSE_REMOVEXATTR.
  package func removeExtendedAttribute(
    _ name: FileName, of node: NodeID, caller: Caller
  ) throws(Errno) { throw .noFunction }
}
