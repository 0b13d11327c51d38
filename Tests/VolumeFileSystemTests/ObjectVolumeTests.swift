import Glibc
import LinuxSystem
import ObjectStore
import SystemPackage
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("a volume on an object store")
struct ObjectVolumeTests {
  private func volume(_ bucket: InMemoryBucket) throws -> VolumeFileSystem {
    let state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 10))
    try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 10, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    var options = ObjectFileSystemOptions(directoryTime: 0)
    (options.entryTimeout, options.attributeTimeout) = (0, 0)
    return try VolumeFileSystem(
      underFileSystem: ObjectFileSystem(bucket: bucket, prefix: [], options: options),
      state: try SharedState(descriptor: state), options: WorkerOptions())
  }

  private let caller = Caller(uid: 0, gid: 0, pid: 0)

  @Test("an object that somebody replaced is another node, and the old one is stale")
  func replaced() throws {
    let bucket = InMemoryBucket()
    bucket.set("d/f", "one")
    let files = try volume(bucket)
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
    let files = try volume(bucket)
    let node = try files.lookup("f", in: 1).node
    let request = Requests.next()
    try files.rename("f", in: 1, to: "g", in: 1, flags: [], caller: caller, request: request)
    files.answered(request)
    #expect(try files.lookup("g", in: 1).node == node)
    #expect(try files.getAttributes(of: node).attributes.size == 3)
  }
}
