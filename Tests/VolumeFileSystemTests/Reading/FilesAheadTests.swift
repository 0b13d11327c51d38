import Glibc
import LinuxSystem
import ObjectStore
import Synchronization
import SystemPackage
import Testing
import UnderFileSystem
import VolumeModel

@testable import VolumeFileSystem

@Suite("small files that are asked for before they are opened")
struct FilesAheadTests {
  /// A worker of a volume on a bucket, and what it asks the bucket for.
  private final class Scene: Sendable {
    let bucket: InMemoryBucket
    let files: VolumeFileSystem
    private let keys: AskedKeys

    /// Objects whose content tells their key.
    init(_ names: [String], size: Int = 10_000, cache: (any PageCache)? = nil, timeout: UInt64 = .max) throws {
      let calls = AskedKeys()
      bucket = InMemoryBucket { call, key, isDone in
        if call == .read, !isDone { calls.add(key) }
        return nil
      }
      keys = calls
      for name in names { bucket.set(ObjectKey("data/\(name)"), Scene.content(name, size)) }
      var options = ObjectFileSystemOptions(directoryTime: 0)
      (options.entryTimeout, options.attributeTimeout) = (timeout, timeout)
      let state = try Memfd.create(name: "volume-test", byteCount: SharedStateLayout.size(maxNodes: 1 << 12))
      try state.writeAll(SharedStateLayout.header(maxNodes: 1 << 12, initRequest: [1], initReply: [2]) ?? [])
      try Memfd.seal(state, .shrink)
      files = try VolumeFileSystem(
        underFileSystem: ObjectFileSystem(bucket: bucket, prefix: "data".utf8, options: options),
        state: try SharedState(descriptor: state), options: WorkerOptions(),
        reading: ReadPolicy(idleTime: .zero, cache: cache))
    }

    static func content(_ name: String, _ size: Int) -> String {
      String(String(repeating: "\(name),", count: size / (name.utf8.count + 1) + 1).prefix(size))
    }

    /// Names whose objects were asked for, in their order.
    var askedFor: [String] { keys.all.map { String($0.description.dropFirst("data/".count)) } }

    /// Reads the root as `ls` does.
    func list() throws {
      let open = try files.openDirectory(NodeTable.root, flags: O_RDONLY)
      try files.readDirectory(NodeTable.root, handle: open.handle, from: 0) { _, _, _, _ in true }
      files.releaseDirectory(NodeTable.root, handle: open.handle)
    }

    /// Opens, reads and closes a file, as cat(1) does.
    func read(_ name: String, _ count: Int = 1 << 20) throws -> String {
      let node = try files.lookup(FileName(bytes: name.utf8), in: NodeTable.root).node
      let open = try files.open(node, flags: O_RDONLY, caller: rootCaller)
      defer { files.release(node, handle: open.handle) }
      var bytes = [UInt8](repeating: 0, count: count)
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      let got: Int
      switch try files.answerRead(node, handle: open.handle, into: &raw, at: 0) {
      case .copied(let count): got = count
      case .lent(let lent):
        got = lent.byteCount
        lent.move(into: &raw, from: 0)
      }
      return String(decoding: bytes.prefix(got), as: UTF8.self)
    }
  }

  private final class AskedKeys: Sendable {
    private let keys = Mutex<[ObjectKey]>([])
    func add(_ key: ObjectKey) { keys.withLock { $0.append(key) } }
    var all: [ObjectKey] { keys.withLock { $0 } }
  }

  private static func names(_ count: Int) -> [String] { (0..<count).map { "f\(1000 + $0)" } }

  @Test("read in the order of their listing, they are asked for before they are opened, and once")
  func inOrder() throws {
    let names = Self.names(200)
    let scene = try Scene(names)
    try scene.list()
    for (place, name) in names.enumerated() {
      if place > 0 { #expect(scene.askedFor.contains(name), "\(name)") }
      #expect(try scene.read(name) == Scene.content(name, 10_000))
      // As many as wait here, and not more.
      #expect(scene.askedFor.count - place - 1 <= 64)
    }
    #expect(scene.askedFor.sorted() == names)
    #expect(scene.files.readStatistics.memoryInUse == 0)
  }

  @Test("who begins in the middle is followed from the second file on, also by threads that take turns")
  func inTurns() throws {
    let names = Self.names(100)
    let scene = try Scene(names)
    try scene.list()
    _ = try scene.read(names[50])
    #expect(scene.askedFor.count == 1)
    for pair in stride(from: 52, to: 90, by: 2) {
      _ = try scene.read(names[pair])
      _ = try scene.read(names[pair - 1])
    }
    #expect(Set(scene.askedFor).isSuperset(of: names[50...92]))
    #expect(Set(scene.askedFor).count == scene.askedFor.count)
  }

  @Test("in another order only what is read is asked for", arguments: [true, false])
  func otherOrder(isBackwards: Bool) throws {
    let names = Self.names(300)
    let scene = try Scene(names)
    try scene.list()
    // Never one of the eight behind the last.
    let order = isBackwards ? names.reversed() : (0..<300).map { names[$0 * 107 % 300] }
    // The first of a listing looks like the start of a walk.
    for name in order where name != names[0] { _ = try scene.read(name) }
    #expect(scene.askedFor.count == 299)
  }

  @Test("a directory that this worker has not listed is read as it comes")
  func unlisted() throws {
    let names = Self.names(20)
    let scene = try Scene(names)
    for name in names { _ = try scene.read(name) }
    #expect(scene.askedFor == names)
  }

  @Test("who leaves the order lets go of what waits")
  func leaves() throws {
    let names = Self.names(400)
    let scene = try Scene(names)
    try scene.list()
    for name in names[..<40] { _ = try scene.read(name) }
    #expect(scene.files.readStatistics.memoryInUse > 0)
    for place in stride(from: 390, to: 200, by: -20) { _ = try scene.read(names[place]) }
    #expect(scene.files.readStatistics.memoryInUse == 0)
  }

  @Test("a file that was replaced since it was asked for is read as it is now")
  func replaced() throws {
    let names = Self.names(20)
    let scene = try Scene(names, timeout: 0)
    try scene.list()
    for name in names[..<3] { _ = try scene.read(name) }
    #expect(scene.askedFor.contains(names[4]))
    scene.bucket.set(ObjectKey("data/\(names[4])"), "another")
    scene.bucket.remove(ObjectKey("data/\(names[5])"))
    #expect(try scene.read(names[3]) == Scene.content(names[3], 10_000))
    #expect(try scene.read(names[4]) == "another")
    #expect(throws: Errno.noSuchFileOrDirectory) { try scene.read(names[5]) }
    #expect(try scene.read(names[6]) == Scene.content(names[6], 10_000))
  }

  @Test("one that was gone when it was asked for, and is there again, is read")
  func back() throws {
    let names = Self.names(20)
    let scene = try Scene(names, timeout: 0)
    try scene.list()
    let content = Scene.content(names[3], 10_000)
    scene.bucket.remove(ObjectKey("data/\(names[3])"))
    for name in names[..<3] { _ = try scene.read(name) }
    #expect(scene.askedFor.contains(names[3]))
    scene.bucket.set(ObjectKey("data/\(names[3])"), content)
    #expect(try scene.read(names[3]) == content)
  }

  @Test("files of more than a mebibyte are left out, and what the page store has is not asked for")
  func leftOut() throws {
    let large = try Scene(Self.names(6), size: (1 << 20) + 1)
    try large.list()
    for name in Self.names(6)[..<3] { _ = try large.read(name) }
    #expect(Set(large.askedFor) == Set(Self.names(6)[..<3]))

    let cache = PagesInMemory()
    let names = Self.names(30)
    let first = try Scene(names, cache: cache)
    for name in names { _ = try first.read(name) }
    cache.fills.wait(for: names.count)
    let second = try Scene(names, cache: cache)
    try second.list()
    for name in names { #expect(try second.read(name) == Scene.content(name, 10_000)) }
    #expect(second.askedFor == [])
  }

  @Test("all that waits is let go of when the worker ends, and nothing more is asked for")
  func end() throws {
    let names = Self.names(100)
    let scene = try Scene(names)
    try scene.list()
    for name in names[..<10] { _ = try scene.read(name) }
    scene.files.endReads()
    let count = scene.askedFor.count
    _ = try? scene.read(names[10])
    #expect(scene.askedFor.count == count)
  }
}
