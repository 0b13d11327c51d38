import Glibc
import LinuxSystem
import ObjectStore
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("a volume on an object store")
struct ObjectVolumeTests {
  /// What the mounter holds of a volume on an object store, and what lies on the node's disk.
  private final class Held {
    let state: Descriptor
    let spools: TemporaryDirectory
    let bucket: InMemoryBucket

    init(_ bucket: InMemoryBucket) throws {
      self.bucket = bucket
      spools = try TemporaryDirectory("spools")
      state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 10))
      try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 10, initRequest: [1], initReply: [2]) ?? [])
      try Memfd.seal(state, .shrink)
    }

    /// Names of what is being written.
    func spooledFiles() throws -> [String] { try DirectoryNames.list(spools.path).filter { $0 != "stamps.log" } }

    /// A worker for it: the first one, or the next.
    func serve() throws -> VolumeFileSystem {
      var options = ObjectFileSystemOptions(directoryTime: 0)
      (options.entryTimeout, options.attributeTimeout) = (0, 0)
      let folder = SharedDescriptor(try Descriptor.open(spools.path, O_RDONLY | O_DIRECTORY))
      let ufs = ObjectFileSystem(bucket: bucket, prefix: [], options: options, spools: SpoolFolder(folder))
      try ufs.adoptSpools(isSameMount: true)
      return try VolumeFileSystem(
        underFileSystem: ufs, state: try SharedState(descriptor: try state.duplicate()), options: WorkerOptions())
    }
  }

  private let caller = Caller(uid: 0, gid: 0, pid: 0)

  @Test("an object that somebody replaced is another node, and the old one is stale")
  func replaced() throws {
    let bucket = InMemoryBucket()
    bucket.set("d/f", "one")
    let held = try Held(bucket)
    let files = try held.serve()
    let directory = try files.lookup("d", in: 1)
    let old = try files.lookup("f", in: directory.node)
    #expect(try files.lookup("f", in: directory.node).node == old.node)
    bucket.set("d/f", "other")
    #expect(throws: Errno.staleNFSFileHandle) { try files.open(old.node, flags: O_RDONLY, caller: caller) }
    let new = try files.lookup("f", in: directory.node)
    #expect(new.node != old.node)
    #expect(new.attributes.inode == old.attributes.inode)
    #expect(new.attributes.size == 5)
    _ = try files.open(new.node, flags: O_RDONLY, caller: caller)
    #expect(try files.lookup("d", in: 1).node == directory.node)
  }

  @Test("a node keeps its number when it is renamed")
  func renamed() throws {
    let bucket = InMemoryBucket()
    bucket.set("f", "one")
    let held = try Held(bucket)
    let files = try held.serve()
    let node = try files.lookup("f", in: 1).node
    let request = Requests.next()
    try files.rename("f", in: 1, to: "g", in: 1, flags: [], caller: caller, request: request)
    files.answered(request)
    #expect(try files.lookup("g", in: 1).node == node)
    #expect(try files.getAttributes(of: node).attributes.size == 3)
  }

  @Test("a file is made, written, closed and released, and is then an object of these bytes")
  func written() throws {
    let bucket = InMemoryBucket()
    let held = try Held(bucket)
    let files = try held.serve()
    let (entry, open) = try create("f", files)
    #expect(try files.write(entry.node, handle: open.handle, Array("content".utf8).span.bytes, at: 0) == 7)
    #expect(bucket.keys == [])
    #expect(try files.lookup("f", in: 1).node == entry.node)
    try files.flush(entry.node, handle: open.handle)
    #expect(bucket.content("f") == Array("content".utf8))
    files.release(entry.node, handle: open.handle)
    #expect(try held.spooledFiles() == [])
    #expect(try files.lookup("f", in: 1).node == entry.node)
  }

  @Test(
    "regression: who reads a file that has lost its name sees what is written to it", arguments: [false, true])
  func writtenNameless(isReplaced: Bool) throws {
    let held = try Held(InMemoryBucket())
    let files = try held.serve()
    let node = try files.makeFile("f", Array("old".utf8)).node
    try files.makeFile("g", Array("other".utf8))
    let reader = try files.open(node, flags: O_RDONLY, caller: caller).handle
    let writer = try files.open(node, flags: O_WRONLY, caller: caller).handle
    #expect(try files.read(node, reader, 100) == Array("old".utf8))
    #expect(try files.write(node, writer, Array("before".utf8)) == 6)
    if isReplaced {
      try files.rename("g", in: 1, to: "f", in: 1, flags: [], caller: caller)
    } else {
      try files.unlink("f", in: 1, caller: caller)
    }
    #expect(try files.read(node, reader, 100) == Array("before".utf8))
    #expect(try files.write(node, writer, Array(" and after".utf8), at: 6) == 10)
    #expect(try files.read(node, reader, 100) == Array("before and after".utf8))
    #expect(try files.getAttributes(of: node).attributes.size == 16)
    #expect(try files.getAttributes(of: node).attributes.linkCount == 0)
    try files.flush(node, handle: writer)
    files.release(node, handle: writer)
    files.release(node, handle: reader)
    #expect(held.bucket.keys == (isReplaced ? ["f"] : ["g"]))
    #expect(try held.spooledFiles() == [])
  }

  @Test("a file that was open for writing goes on in the next worker, under the same number")
  func takenOver() throws {
    let bucket = InMemoryBucket()
    let held = try Held(bucket)
    let before = try held.serve()
    let (entry, open) = try create("f", before)
    #expect(try before.write(entry.node, handle: open.handle, Array("con".utf8).span.bytes, at: 0) == 3)
    let after = try held.serve()
    #expect(try after.getAttributes(of: entry.node).attributes.size == 3)
    #expect(try after.write(entry.node, handle: open.handle, Array("tent".utf8).span.bytes, at: 3) == 4)
    #expect(bucket.keys == [])
    // Nobody flushes: the process with the descriptor is gone.
    after.release(entry.node, handle: open.handle)
    #expect(bucket.content("f") == Array("content".utf8))
    #expect(try held.spooledFiles() == [])
    withExtendedLifetime(before) {}
  }

  @Test("close(2) brings to the store what a worker has written that died before it")
  func closedByNext() throws {
    let held = try Held(InMemoryBucket())
    let before = try held.serve()
    let (entry, open) = try create("f", before)
    #expect(try before.write(entry.node, handle: open.handle, Array("bytes".utf8).span.bytes, at: 0) == 5)
    let files = try held.serve()
    try files.flush(entry.node, handle: open.handle)
    #expect(held.bucket.content("f") == Array("bytes".utf8))
    files.release(entry.node, handle: open.handle)
    #expect(try held.spooledFiles() == [])
    // The kernel's answer to a repetition, and a file that is gone meanwhile.
    try files.flush(entry.node, handle: open.handle)
    try files.unlink("f", in: 1, caller: caller, request: Requests.next())
    try files.flush(entry.node, handle: open.handle)
    withExtendedLifetime(before) {}
  }

  @Test("O_TRUNC, for which the kernel names no handle, changes the object when the file is closed")
  func truncatedAtOpen() throws {
    let bucket = InMemoryBucket()
    bucket.set("f", "old content")
    let held = try Held(bucket)
    let files = try held.serve()
    let node = try files.lookup("f", in: 1).node
    let open = try files.open(node, flags: O_WRONLY, caller: caller)
    var change = AttributeChange()
    change.size = 0
    #expect(try files.setAttributes(change, of: node, caller: caller).attributes.size == 0)
    #expect(bucket.content("f") == Array("old content".utf8))
    #expect(try files.write(node, handle: open.handle, Array("new".utf8).span.bytes, at: 0) == 3)
    try files.flush(node, handle: open.handle)
    files.release(node, handle: open.handle)
    #expect(bucket.content("f") == Array("new".utf8))
  }

  @Test(
    "regression: a file that this mount has written or renamed stays readable to who has it open over a worker's death")
  func openOverDeath() throws {
    let held = try Held(InMemoryBucket())
    let before = try held.serve()
    let (entry, written) = try create("f", before)
    #expect(try before.write(entry.node, handle: written.handle, Array("content".utf8).span.bytes, at: 0) == 7)
    try before.flush(entry.node, handle: written.handle)
    before.release(entry.node, handle: written.handle)
    let open = try before.open(entry.node, flags: O_RDONLY, caller: caller)
    let after = try held.serve()
    #expect(try after.read(entry.node, open.handle, 100) == Array("content".utf8))
    #expect(try after.lookup("f", in: 1).node == entry.node)
    try after.rename("f", in: 1, to: "g", in: 1, flags: [], caller: caller)
    let last = try held.serve()
    #expect(try last.read(entry.node, open.handle, 100) == Array("content".utf8))
    #expect(try last.lookup("g", in: 1).node == entry.node)
    // With the mount goes what was known of it.
    let folder = SharedDescriptor(try Descriptor.open(held.spools.path, O_RDONLY | O_DIRECTORY))
    let other = ObjectFileSystem(
      bucket: held.bucket, prefix: [], options: ObjectFileSystemOptions(directoryTime: 0), spools: SpoolFolder(folder))
    try other.adoptSpools(isSameMount: false)
    #expect(try DirectoryNames.list(held.spools.path) == [])
  }

  @Test("regression: a directory that was renamed, and those beneath it, are the same to the next worker")
  func directoryOverDeath() throws {
    let bucket = InMemoryBucket()
    bucket.set("d/e/f", "one")
    let held = try Held(bucket)
    let before = try held.serve()
    let outer = try before.lookup("d", in: 1).node
    let inner = try before.lookup("e", in: outer).node
    let file = try before.lookup("f", in: inner).node
    try before.rename("d", in: 1, to: "x", in: 1, flags: [], caller: caller)
    let after = try held.serve()
    #expect(try after.lookup("x", in: 1).node == outer)
    #expect(try after.lookup("e", in: outer).node == inner)
    #expect(try after.lookup("f", in: inner).node == file)
    #expect(try after.getAttributes(of: file).attributes.size == 3)
  }

  @Test("mknod makes an empty object")
  func made() throws {
    let bucket = InMemoryBucket()
    let held = try Held(bucket)
    let files = try held.serve()
    _ = try files.makeNode("f", in: 1, mode: FileType.regular | 0o644, device: 0, caller: caller)
    #expect(bucket.content("f") == [])
    #expect(try held.spooledFiles() == [])
  }

  private func create(_ name: FileName, _ files: VolumeFileSystem) throws -> (entry: Entry, open: OpenReply) {
    let request = Requests.next()
    defer { files.answered(request) }
    return try files.create(
      name, in: 1, mode: 0o644, flags: O_RDWR | O_CREAT | O_EXCL, caller: caller, request: request)
  }
}
