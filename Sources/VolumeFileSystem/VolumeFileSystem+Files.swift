import Glibc
import LinuxSystem
package import SystemPackage
package import UnderFileSystem

/// FUSE operations on regular files.
extension VolumeFileSystem {
  /// FUSE_OPEN. - Parameter flags: open(2) flags.
  package func open(_ node: NodeID, flags: Int32, caller: Caller) throws(Errno) -> OpenReply {
    let handle = HandleID(openFlags: flags)
    if handle.access == .readWrite {
      try presentation.checkWritable()
      try passthrough.inTurn(node) { () throws(Errno) in try checkUnread(node) }
    }
    let file =
      if let cached = cache.file(node, handle.access) { cached } else {
        try openFile(node, handle.access, caller: caller)
      }
    return try opened(node, file, handle)
  }

  /// Counts an open and says how the kernel is to use it.
  private func opened(_ node: NodeID, _ file: any OpenFile, _ handle: HandleID) throws(Errno) -> OpenReply {
    let slot = try table.slot(node)
    return try passthrough.inTurn(node) { () throws(Errno) in
      if handle.access == .readWrite { try checkUnread(node) }
      // Counted before the look at its links: a removal meanwhile sees the open, or this sees the removal.
      let isFirst =
        try counts.inTurn(node) { () throws(Errno) in slot.addOpen(writer: handle.access == .readWrite) } == 0
      do throws(Errno) {
        let attributes = try file.attributes()
        if attributes.linkCount == 0 || slot.isBeingRemoved { keepAlive(node) }
        let backing = passthrough.backing(node, slot, file, attributes, handle, isFirst: isFirst)
        if backing.id != 0, !backing.isDirect { try checkDirectIO(node, handle) }
        // A file that changed a moment ago may have changed again within one tick of its clock.
        let isSettled = Wall.now() - max(attributes.modificationTime, attributes.changeTime) > Self.settlingTime
        return OpenReply(
          handle: handle, keepCache: isSettled && slot.isAsShown(attributes), backing: backing.id,
          isDirect: backing.isDirect)
      } catch {
        let (opens, writers) = try counts.inTurn(node) { () throws(Errno) in
          slot.removeOpen(writer: handle.access == .readWrite)
        }
        released(node, slot, handle, opens: opens, writers: writers)
        throw error
      }
    }
  }

  /// The kernel would answer EIO for O_DIRECT where the under file system has none. - Throws: EINVAL, as that does.
  private func checkDirectIO(_ node: NodeID, _ handle: HandleID) throws(Errno) {
    guard handle.isDirect, try !reference(node).allowsDirectIO else { return }
    throw .noDirectIO
  }

  /// Nanoseconds after which a file's times tell whether it changed: the coarsest clock of the usual file systems.
  private static let settlingTime: Int64 = 2_000_000_000

  /// FUSE_CREATE. - Parameter flags: open(2) flags; O_EXCL decides whether an existing file is opened.
  package func create(
    _ name: FileName, in parent: NodeID, mode: UInt32, flags: Int32, caller: Caller, request: RequestID
  ) throws(Errno) -> (entry: Entry, open: OpenReply) {
    var reply = OpenReply(handle: HandleID(openFlags: flags), keepCache: false)
    do throws(Errno) {
      // It stays with the worker until it is closed: most new files are small, or closed soon.
      let entry = try make(
        .file(mode: mode & 0o7777), name, in: parent, opening: reply.handle, caller: caller, request: request)
      return (entry, reply)
    } catch {
      guard error == .fileExists, flags & O_EXCL == 0 else { throw error }
    }
    // Somebody else was faster, so that the kernel could not check who may open the file.
    let (file, entry) = try openAsCaller(name, in: parent, flags: flags, caller: caller)
    do throws(Errno) {
      reply = try opened(entry.node, cache.insert(file, for: entry.node), reply.handle)
    } catch {
      forget(entry.node, 1)
      throw error
    }
    return (entry, reply)
  }

  private func openAsCaller(
    _ name: FileName, in parent: NodeID, flags: Int32, caller: Caller
  ) throws(Errno) -> (any OpenFile, Entry) {
    let found = try reference(parent).lookup(name)
    let handle = HandleID(openFlags: flags)
    let file = try adopted(try found.node.openAsCaller(handle.access, caller: caller))
    if flags & O_TRUNC != 0, handle.access == .readWrite {
      try file.truncate(to: 0)
      try clearSetIDBits(of: file, caller: caller, isDemanded: false)
    }
    let attributes = try file.attributes()
    let key = try key(of: found.node, attributes, parent: parent, name: name)
    return (file, try entry(key, reference: found.node, attributes: attributes))
  }

  /// FUSE_READ. - Returns: bytes put at the start of `buffer`; fewer than fit only at the end of the file.
  package func read(
    _ node: NodeID, handle: HandleID, into buffer: inout MutableRawSpan, at offset: Int64
  ) throws(Errno) -> Int {
    try file(node, .read).read(into: &buffer, at: offset)
  }

  /// The same, where bytes that are in memory need not be copied. What is lent is let go of with the answer.
  package func answerRead(
    _ node: NodeID, handle: HandleID, into buffer: inout MutableRawSpan, at offset: Int64
  ) throws(Errno) -> ReadAnswer {
    let file = try file(node, .read)
    if let caching = file as? CachingFile {
      if caching.begins(at: offset) { askAhead(of: node, caching) }
      return try caching.answer(into: &buffer, at: offset)
    }
    return .copied(try file.read(into: &buffer, at: offset))
  }

  /// FUSE_WRITE, behind `clearSetIDBits` where the kernel demands that.
  package func write(_ node: NodeID, handle: HandleID, _ bytes: RawSpan, at offset: Int64) throws(Errno) -> Int {
    try file(node, .readWrite).write(bytes, at: offset, durability: handle.durability)
  }

  /// FUSE_FLUSH, sent for every close(2) of a descriptor.
  package func flush(_ node: NodeID, handle: HandleID) throws(Errno) {
    guard handle.access == .readWrite else { return }
    if let file = cache.file(node, .readWrite) { return try file.flush() }
    // Mostly it was closed before, and close(2) reported its errors then. Where a close brings what was written to the
    // store, a worker that is gone may have been the one that wrote it.
    guard underFileSystem.wantsCloses else { return }
    do throws(Errno) { try file(node, .readWrite).flush() } catch .staleNode {}
  }

  /// FUSE_FSYNC; a datasync is a full fsync as well.
  package func synchronize(_ node: NodeID, handle: HandleID) throws(Errno) {
    try file(node, handle.access).synchronize()
  }

  /// FUSE_RELEASE. Counted once: a count that is too low would close a file that is still open.
  package func release(_ node: NodeID, handle: HandleID, request: RequestID) {
    guard let slot = try? table.slot(node) else { return }
    if journal.claim(request, .release, at: node) != nil {
      // The worker before may have counted it and may not: too high is the safe side. Where closes bring files to a store,
      // those that it has not counted are not recorded any more.
      if underFileSystem.wantsCloses { lastWriterMayBeGone(node, slot) }
      return
    }
    release(node, slot, handle, request)
  }

  /// A dead worker has counted a release, and may not have come to what follows from it.
  private func lastWriterMayBeGone(_ node: NodeID, _ slot: NodeSlot) {
    if slot.load32(NodeSlot.writers) == 0 { (try? reference(node))?.lastWriterClosed() }
  }

  /// The open is over, or its answer did not reach the kernel.
  package func release(_ node: NodeID, handle: HandleID) {
    guard let slot = try? table.slot(node) else { return }
    release(node, slot, handle, nil)
  }

  private func release(_ node: NodeID, _ slot: NodeSlot, _ handle: HandleID, _ request: RequestID?) {
    try? passthrough.inTurn(node) { () throws(Errno) in
      let (opens, writers) = try counts.inTurn(node) { () throws(Errno) in try count(node, slot, handle, request) }
      try reach(.afterDone)
      released(node, slot, handle, opens: opens, writers: writers)
    }
  }

  /// - Returns: handles, and among them those that may write, that are left.
  private func count(
    _ node: NodeID, _ slot: NodeSlot, _ handle: HandleID, _ request: RequestID?
  ) throws(Errno) -> (opens: UInt32, writers: UInt32) {
    try reach(.beforeIntent)
    let before = Intent(digest: UInt64(slot.load32(NodeSlot.opens)))
    let entry = if let request { journal.begin(request, .release, at: node, before) } else { nil as JournalEntry? }
    try reach(.afterIntent)
    let left = slot.removeOpen(writer: handle.access == .readWrite)
    try reach(.afterCount)
    entry?.finish(nil)
    return left
  }

  private func released(_ node: NodeID, _ slot: NodeSlot, _ handle: HandleID, opens: UInt32, writers: UInt32) {
    if handle.access == .readWrite, writers == 0, underFileSystem.wantsCloses {
      (try? reference(node))?.lastWriterClosed()
    }
    if opens == 0 { passthrough.lastClosed(cache.file(node, .read)) }
    cache.released(node, opens: opens, writers: writers)
    guard opens == 0 else { return }
    passthrough.closed(node, slot)
    nameless.closed(node, slot)
  }

  /// FUSE_FALLOCATE, behind `clearSetIDBits`. - Parameter mode: FALLOC_FL_* bits.
  package func allocate(
    _ node: NodeID, handle: HandleID, mode: Int32, offset: Int64, length: Int64
  ) throws(Errno) {
    // The kernel sends no others; they move what lies behind them, and so must not be applied twice.
    guard mode & ~Self.repeatableModes == 0 else { throw .notRepeatable }
    try file(node, .readWrite).allocate(mode: mode, offset: offset, length: length)
  }

  /// FALLOC_FL_KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE.
  private static let repeatableModes: Int32 = 0x01 | 0x02 | 0x10

  /// FUSE_LSEEK: SEEK_DATA and SEEK_HOLE.
  package func seek(
    _ node: NodeID, handle: HandleID, offset: Int64, whence: Int32
  ) throws(Errno) -> Int64 {
    try file(node, .read).seek(to: offset, whence: whence)
  }

  /// FUSE_COPY_FILE_RANGE, behind `clearSetIDBits` of the target.
  package func copyRange(
    from source: NodeID, handle sourceHandle: HandleID, at sourceOffset: Int64,
    to target: NodeID, handle targetHandle: HandleID, at targetOffset: Int64, length: Int
  ) throws(Errno) -> Int {
    let from = try file(source, .read)
    return try file(target, .readWrite).copy(from: from, at: sourceOffset, to: targetOffset, length: length)
  }
}

extension HandleID {
  /// What the handle needs of the open file.
  @inline(__always) var access: FileAccess { openFlags & O_ACCMODE == O_RDONLY ? .read : .readWrite }

  var isDirect: Bool { openFlags & Descriptor.directIOFlag != 0 }

  /// O_SYNC contains the bit of O_DSYNC.
  @inline(__always) var durability: WriteDurability {
    if openFlags & O_DSYNC == 0 { return .none }
    return openFlags & O_SYNC == O_SYNC ? .full : .data
  }
}

enum Wall {
  /// Nanoseconds since the epoch, a few milliseconds old at most.
  static func now() -> Int64 { WallClock.coarseNanoseconds }
}
