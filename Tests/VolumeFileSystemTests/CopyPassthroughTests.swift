import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

/// A page store that has copies of the versions that it was asked to keep.
private final class Copies: PageCache {
  let pageSize = 1 << 20
  private let kept = Mutex<Set<ContentVersion>>([])
  let asked = Events<Int64>()

  func pages(of version: ContentVersion) -> (any CachedPages)? { nil }

  func wholeFile(of version: ContentVersion) -> SharedDescriptor? {
    guard kept.withLock({ $0.contains(version) }) else { return nil }
    return try? SharedDescriptor(Memfd.create(name: "copy", byteCount: Int(version.size)))
  }

  func keepWhole(_ version: ContentVersion) {
    asked.add(version.size)
    _ = kept.withLock { $0.insert(version) }
  }
}

@Suite("objects that the kernel reads from copies")
struct CopyPassthroughTests {
  private let registrations = Registrations()
  private let copies = Copies()
  private let bucket = InMemoryBucket()
  private let spools: TemporaryDirectory
  private let state: SharedDescriptor

  init() throws {
    spools = try TemporaryDirectory("spools")
    let state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 10))
    try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 10, initRequest: [1], initReply: [2]) ?? [])
    try Memfd.seal(state, .shrink)
    self.state = SharedDescriptor(state)
    bucket.set("f", String(repeating: "x", count: 200))
  }

  /// A worker for the volume: the first one, or the next.
  private func serve() throws -> VolumeFileSystem {
    var options = ObjectFileSystemOptions(directoryTime: 0)
    (options.entryTimeout, options.attributeTimeout) = (0, 0)
    let folder = SharedDescriptor(try Descriptor.open(spools.path, O_RDONLY | O_DIRECTORY))
    let objects = ObjectFileSystem(bucket: bucket, prefix: [], options: options, spools: SpoolFolder(folder))
    try objects.adoptSpools(isSameMount: true)
    return try VolumeFileSystem(
      underFileSystem: objects, state: try SharedState(descriptor: state.descriptor), options: WorkerOptions(),
      passthrough: PassthroughPolicy(registry: registrations, smallest: 100),
      reading: ReadPolicy(memoryBudget: 4 << 20, cache: copies))
  }

  private func open(
    _ files: VolumeFileSystem, _ node: NodeID, _ flags: Int32 = O_RDONLY
  ) throws -> (handle: HandleID, id: Int32, isDirect: Bool) {
    let reply = try files.open(node, flags: flags, caller: rootCaller)
    return (reply.handle, reply.backing, reply.isDirect)
  }

  /// A node with a copy, that nobody has open.
  private func node(_ files: VolumeFileSystem) throws -> NodeID {
    let node = try files.lookup("f", in: 1).node
    let first = try open(files, node)
    #expect(first.id == 0)
    files.release(node, handle: first.handle)
    return node
  }

  @Test("a copy is asked for when a file is opened and when it is closed, and passed at the next open")
  func passed() throws {
    let files = try serve()
    let node = try node(files)
    #expect(copies.asked.all == [200, 200])
    let (first, second) = (try open(files, node), try open(files, node))
    #expect(first.id == 1 && !first.isDirect && second.id == 1 && !second.isDirect)
    for open in [first, second] { files.release(node, handle: open.handle) }
    #expect(registrations.now.ids.isEmpty)
    let third = try open(files, node)
    #expect(third.id == 2)
    files.release(node, handle: third.handle)
  }

  @Test("O_DIRECT beside readers of the copy asks the worker")
  func direct() throws {
    let files = try serve()
    let node = try node(files)
    let reader = try open(files, node)
    let direct = try open(files, node, O_RDONLY | Descriptor.directIOFlag)
    #expect(direct.id == 1 && direct.isDirect)
    for open in [reader, direct] { files.release(node, handle: open.handle) }
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("who opens for writing what others read from a copy gets another node of the file, and they keep theirs")
  func writer() throws {
    let files = try serve()
    let node = try node(files)
    let reader = try open(files, node)
    #expect(throws: Errno.staleNFSFileHandle) { try open(files, node, O_RDWR) }
    let (found, other) = (try files.lookup("f", in: 1), try files.lookup("f", in: 1).node)
    #expect(found.node != node && found.node == other)
    let writer = try open(files, other, O_RDWR)
    let late = try open(files, other)
    #expect(writer.id == 0 && late.id == 0)
    _ = try files.write(other, writer.handle, Array("new".utf8), at: 200)
    for open in [writer, late] { files.release(other, handle: open.handle) }
    #expect(bucket.content("f")?.suffix(4) == Array("xnew".utf8)[...])
    // By its name still, as by that of the other.
    #expect(try files.getAttributes(of: node).attributes.size == 203)
    let beside = try open(files, node)
    #expect(beside.id == 1)
    for open in [reader, beside] { files.release(node, handle: open.handle) }
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("opens with O_DIRECT or for writing that come first pass nothing, and neither do those beside them")
  func first() throws {
    let files = try serve()
    let node = try node(files)
    for flags in [O_RDWR, O_RDONLY | Descriptor.directIOFlag] {
      let (first, second) = (try open(files, node, flags), try open(files, node))
      #expect(first.id == 0 && second.id == 0 && !second.isDirect)
      for open in [first, second] { files.release(node, handle: open.handle) }
    }
    #expect(registrations.now.asked == 0)
  }

  @Test("the next worker passes the copy on to readers, and keeps writers from it")
  func nextWorker() throws {
    let first = try serve()
    let node = try node(first)
    let reader = try open(first, node)
    #expect(reader.id == 1)
    let second = try serve()
    let beside = try open(second, node)
    #expect(beside.id == 1 && !beside.isDirect)
    #expect(throws: Errno.staleNFSFileHandle) { try open(second, node, O_RDWR) }
    let third = try serve()
    #expect(throws: Errno.staleNFSFileHandle) { try open(third, node, O_RDWR) }
    #expect(try third.lookup("f", in: 1).node != node)
    #expect(try third.getAttributes(of: node).attributes.size == 200)
    for open in [reader, beside] { third.release(node, handle: open.handle) }
    #expect(registrations.now.ids.isEmpty)
  }

  @Test("a truncation by name comes to another node than that which others read from a copy")
  func truncated() throws {
    let files = try serve()
    let node = try node(files)
    let reader = try open(files, node)
    var change = AttributeChange()
    change.size = 120
    #expect(throws: Errno.staleNFSFileHandle) { try files.setAttributes(change, of: node, caller: rootCaller) }
    let other = try files.lookup("f", in: 1).node
    #expect(try files.setAttributes(change, of: other, caller: rootCaller).attributes.size == 120)
    files.release(node, handle: reader.handle)
  }

  @Test("a worker that dies while it sets a node aside leaves an index in which the next one finds a node of that name")
  func deathAside() throws {
    for crash in 0... {
      let files = try serve()
      let node = try files.lookup("f", in: 1).node
      let reader = try open(files, node)
      let left = Atomic(crash)
      NodeStores.$gate.withValue({ @Sendable store in
        if left.subtract(1, ordering: .relaxed).oldValue > 0 { store() }
      }) { _ = try? files.open(node, flags: O_RDWR, caller: rootCaller) }
      let next = try serve()
      let found = try next.lookup("f", in: 1).node
      let writer = try? open(next, found, O_RDWR)
      #expect(writer != nil || found == node)
      if let writer { next.release(found, handle: writer.handle) }
      next.release(node, handle: reader.handle)
      if left.load(ordering: .relaxed) >= 0 { break }
    }
  }

  @Test("a worker that does not know of copies leaves a state with them alone")
  func feature() throws {
    let memory = try SharedMemory(mapping: state.descriptor)
    let files = try serve()
    let node = try node(files)
    #expect(memory.load(UInt64.self, at: SharedStateLayout.featuresOffset) == 0)
    _ = try open(files, node)
    #expect(memory.load(UInt64.self, at: SharedStateLayout.featuresOffset) == 3)
  }

  @Test("where nothing can be registered no copies are asked for")
  func off() throws {
    let files = try serve()
    registrations.turnOff()
    let node = try node(files)
    #expect(try open(files, node).id == 0)
    #expect(copies.asked.all == [])
  }

  @Test("small files are not copied")
  func small() throws {
    bucket.set("s", "small")
    let files = try serve()
    let node = try files.lookup("s", in: 1).node
    files.release(node, handle: try open(files, node).handle)
    #expect(copies.asked.all == [])
  }
}
