import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("a worker that takes over", .requiresRoot)
struct TakeoverTests {
  @Test("nodes keep their numbers, generations, lookup counts and open handles", arguments: [true, false])
  func continuity(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let directory = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    let (file, open) = try volume.files.create(
      "f", in: directory.node, mode: 0o644, flags: O_RDWR, caller: rootCaller)
    _ = try volume.files.write(file.node, open.handle, Array("before".utf8))
    _ = try volume.files.lookup("f", in: directory.node)
    try volume.restart()
    #expect(try volume.files.read(file.node, open.handle, 100) == Array("before".utf8))
    _ = try volume.files.write(file.node, open.handle, Array("after ".utf8))
    #expect(try volume.files.getAttributes(of: file.node, handle: open.handle).attributes.size == 6)
    let again = try volume.files.lookup("f", in: directory.node)
    #expect(again.node == file.node)
    #expect(again.generation == file.generation)
    volume.files.release(file.node, handle: open.handle)
    // Three lookups were counted, one of them by this worker: two forgotten leave the node, three do not.
    volume.files.forget(file.node, 2)
    #expect(try volume.files.content(file.node) == Array("after ".utf8))
    volume.files.forget(file.node, 1)
    #expect(throws: Errno.staleNFSFileHandle) { try volume.files.getAttributes(of: file.node) }
  }

  @Test("a number that is used again has another generation")
  func generations() throws {
    let volume = try Volume()
    let first = try volume.files.makeFile("a")
    volume.files.forget(first.node, 1)
    let second = try volume.files.makeFile("b")
    #expect(second.node == first.node)
    #expect(second.generation != first.generation)
    volume.files.forget(second.node, 1)
    try volume.restart()
    let third = try volume.files.makeFile("c")
    #expect(third.node == first.node)
    #expect(third.generation > second.generation)
  }

  @Test("a directory is read on from its cookie")
  func cookies() throws {
    let volume = try Volume()
    for index in 0..<500 { volume.files.forget(try volume.files.makeFile(FileName(bytes: "f\(index)".utf8)).node, 1) }
    let handle = try volume.files.openDirectory(rootNode, flags: O_RDONLY).handle
    var seen: [FileName: Int] = [:]
    var cookie: UInt64 = 0
    var restarts = 0
    while true {
      var taken = 0
      try volume.files.readDirectory(rootNode, handle: handle, from: cookie) { (name, _, _, next) throws(Errno) in
        if taken == 7 { return false }
        taken += 1
        cookie = next
        seen[FileName(bytes: (0..<name.count - 1).map { name[$0] }), default: 0] += 1
        return true
      }
      if taken == 0 { break }
      if seen.count / 100 > restarts {
        restarts += 1
        try volume.restart()
      }
    }
    #expect(seen.count == 502)
    #expect(seen.values.allSatisfy { $0 == 1 })
    #expect(restarts >= 4)
  }

  @Test("an object that its maker could not place any more is swept, and one on its way elsewhere is not")
  func pendingNames() throws {
    let volume = try Volume()
    let directory = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    // What a worker leaves that dies between making and placing: the object, and the note in the shared state.
    try volume.directory.makeDirectory("d/.alluxio.tmp.00000000000000ff")
    try volume.directory.makeDirectory("d/.alluxio.tmp.0000000000000001")
    let memory = try SharedMemory(mapping: volume.state)
    let entry = SharedStateLayout.pendingNamesOffset + 16 * 100
    memory.store(directory.node, at: entry)
    memory.store(UInt64(0xff), at: entry + 8)
    try volume.restart()
    #expect(try DirectoryNames.list(volume.path("d")) == [".alluxio.tmp.0000000000000001"])
    #expect(memory.load(UInt64.self, at: entry) == 0)
    #expect(try volume.files.names(directory.node) == [])
  }

  @Test("a state that this build cannot read is refused and left alone")
  func unreadable() throws {
    let volume = try Volume()
    let memory = try SharedMemory(mapping: volume.state)
    let changes: [(Int, UInt32)] = [
      (SharedStateLayout.magicOffset, 0), (SharedStateLayout.oldestReaderOffset, SharedStateLayout.version + 1),
      (SharedStateLayout.versionOffset, SharedStateLayout.oldestReadableVersion - 1),
      (SharedStateLayout.featuresOffset, 1 << 31), (SharedStateLayout.slotSizeOffset, 128),
      (SharedStateLayout.maxNodesOffset, .max), (SharedStateLayout.maxNodesOffset, 0),
    ]
    for (offset, value) in changes {
      let before = memory.load(UInt32.self, at: offset)
      memory.store(value, at: offset)
      #expect(throws: Errno.invalidArgument) { try volume.restart() }
      memory.store(before, at: offset)
    }
    try volume.restart()
    #expect(try SharedState(descriptor: volume.state).initRequest == [1, 2, 3])
  }

  @Test("a state of the version before is taken over, and is of this version then")
  func versionBefore() throws {
    let volume = try Volume()
    let directory = try volume.files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    volume.memory.store(SharedStateLayout.version - 1, at: SharedStateLayout.versionOffset)
    try volume.restart()
    #expect(volume.memory.load(UInt32.self, at: SharedStateLayout.versionOffset) == SharedStateLayout.version)
    #expect(volume.memory.load(UInt32.self, at: SharedStateLayout.oldestReaderOffset) < SharedStateLayout.version)
    #expect(try volume.files.lookup("d", in: rootNode).node == directory.node)
    try volume.files.removeDirectory("d", in: rootNode, caller: rootCaller)
  }

  @Test("a memfd that could shrink under the worker is refused")
  func unsealed() throws {
    let memfd = try Memfd.create(name: "test", byteCount: SharedStateLayout.size(maxNodes: 16))
    #expect(throws: Errno.notPermitted) { try SharedState(descriptor: memfd) }
  }

  @Test("when the kernel knows as many nodes as there is room for, the next is ENFILE until one is forgotten")
  func fullTable() throws {
    let volume = try Volume(maxNodes: 8)
    var entries: [Entry] = []
    for index in 0..<7 { entries.append(try volume.files.makeFile(FileName(bytes: "f\(index)".utf8))) }
    #expect(throws: Errno.tooManyOpenFilesInSystem) { try volume.files.makeFile("g") }
    #expect(try volume.files.names().count == 7)
    volume.files.forget(entries[3].node, 1)
    #expect(try volume.files.lookup("f3", in: rootNode).node == entries[3].node)
  }
}
