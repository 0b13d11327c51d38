import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Files that are old or new, never half")
struct AtomicFileTests {
  @Test("a file is created with its mode and replaced whole")
  func writeAndReplace() throws {
    let folder = try TemporaryDirectory("atomic")
    let path = folder.appending("record")
    try AtomicFile.write([1, 2, 3], to: path)
    #expect(try WholeFile.read(path) == [1, 2, 3])
    var status = stat()
    try Syscall.once { stat(path, &status) }
    #expect(status.st_mode & 0o777 == 0o600)
    try AtomicFile.write([4], to: path, mode: 0o400)
    #expect(try WholeFile.read(path) == [4])
    #expect(try DirectoryNames.list(folder.path) == ["record"])
  }

  @Test("the steps come in the order that a crash must find them in")
  func steps() throws {
    let folder = try TemporaryDirectory("atomic")
    var steps: [AtomicFile.Step] = []
    try AtomicFile.write([1], to: folder.appending("f")) { steps.append($0) }
    #expect(steps == AtomicFile.Step.allCases)
  }

  @Test("a process killed at any step leaves the old or the new content", arguments: AtomicFile.Step.allCases)
  func crash(step: AtomicFile.Step) async throws {
    let folder = try TemporaryDirectory("atomic")
    let path = folder.appending("record")
    try AtomicFile.write(Array("old".utf8), to: path)
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, name = step.rawValue as String] in
      try AtomicFile.write(Array("new".utf8), to: path) { if $0.rawValue == name { kill(getpid(), SIGKILL) } }
    }
    let isRenamed = step == .renamed || step == .directorySynced
    #expect(try WholeFile.text(path) == (isRenamed ? "new" : "old"))
    try AtomicFile.removeLeftovers(in: folder.path)
    #expect(try DirectoryNames.list(folder.path) == ["record"])
  }

  @Test("a failed write leaves the old content and nothing else")
  func failure() throws {
    let folder = try TemporaryDirectory("atomic")
    try folder.makeDirectory("taken")
    #expect(throws: Errno.isDirectory) { try AtomicFile.write([1], to: folder.appending("taken")) }
    #expect(try DirectoryNames.list(folder.path) == ["taken"])
    #expect(throws: Errno.noSuchFileOrDirectory) { try AtomicFile.write([1], to: folder.appending("absent/f")) }
    #expect(throws: Errno.isDirectory) { try AtomicFile.write([1], to: folder.path + "/") }
  }

  @Test("a full disk is an error and leaves the old content", .requiresRoot)
  func fullDisk() async throws {
    let folder = try TemporaryDirectory("atomic")
    try await PrivateMountNamespace.run {
      try Mount.mount(source: "small", target: folder.path, type: "tmpfs", data: "size=64k")
      let path = folder.appending("record")
      try AtomicFile.write(Array("old".utf8), to: path)
      #expect(throws: Errno.noSpace) { try AtomicFile.write([UInt8](repeating: 0, count: 1 << 20), to: path) }
      #expect(try WholeFile.text(path) == "old")
      #expect(try DirectoryNames.list(folder.path) == ["record"])
    }
  }

  @Test("removing says whether there was something")
  func remove() throws {
    let folder = try TemporaryDirectory("atomic")
    let path = try folder.write("x", to: "f")
    #expect(try AtomicFile.remove(path))
    #expect(try !AtomicFile.remove(path))
  }
}

@Suite("A lock on a file")
struct FileLockTests {
  @Test("a shared lock is seen as held until the last holder is gone, and looking takes nothing")
  func shared() throws {
    let folder = try TemporaryDirectory("lock")
    let path = folder.appending("lock")
    #expect(!FileLock.isHeld(at: path))
    var first: FileLock? = try FileLock(sharedAt: path)
    let second = try FileLock(sharedAt: path)
    #expect(FileLock.isHeld(at: path))
    first = nil
    #expect(FileLock.isHeld(at: path) && first == nil)
    withExtendedLifetime(second) {}
    #expect(throws: Errno.wouldBlock) { _ = try FileLock(path: path) }
    withExtendedLifetime(second) {}
  }

  @Test("only one holds it, and the next may when it is gone")
  func exclusive() throws {
    let folder = try TemporaryDirectory("lock")
    let path = folder.appending("lock")
    var first: FileLock? = try FileLock(path: path)
    #expect(first?.path == path)
    #expect(throws: Errno.wouldBlock) { _ = try FileLock(path: path) }
    #expect(FileLock.owner(ofLockAt: path) == getpid())
    first = nil
    _ = try FileLock(path: path)
  }

  @Test("the owner of an absent or empty lock file is unknown")
  func unknownOwner() throws {
    let folder = try TemporaryDirectory("lock")
    #expect(FileLock.owner(ofLockAt: folder.appending("absent")) == nil)
    #expect(FileLock.owner(ofLockAt: try folder.write("", to: "empty")) == nil)
  }

  @Test("a child that was started while it was held does not keep it")
  func notInherited() throws {
    let folder = try TemporaryDirectory("lock")
    let path = folder.appending("lock")
    var lock: FileLock? = try FileLock(path: path)
    #expect(lock != nil)
    var pipe = try Pipe()
    var spawn = Spawn(executable: "/bin/cat", arguments: ["cat"])
    spawn.descriptors[0] = pipe.reader.rawValue
    let child = try spawn.start()
    lock = nil
    #expect(throws: Never.self) { _ = try FileLock(path: path) }
    pipe.closeWriter()
    try child.signal(SIGKILL)
    _ = try child.wait()
  }
}

@Suite("The immutable flag")
struct InodeFlagsTests {
  @Test("an immutable directory takes no files until the flag is cleared", .requiresRoot)
  func immutable() throws {
    let folder = try TemporaryDirectory("flags")
    let path = try folder.makeDirectory("target")
    let directory = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    #expect(try InodeFlags.isImmutable(directory) == false)
    #expect(try InodeFlags.setImmutable(true, on: directory))
    #expect(try InodeFlags.setImmutable(true, on: directory), "twice is once")
    #expect(throws: Errno.notPermitted) { try folder.write("x", to: "target/file") }
    #expect(rmdir(path) == -1 && errno == EPERM)
    #expect(try InodeFlags.isImmutable(directory) == true)
    #expect(try InodeFlags.setImmutable(false, on: directory))
    try folder.write("x", to: "target/file")
  }

  @Test("a file system without flags says so, and it is no error")
  func unsupported() throws {
    let proc = try Descriptor.open("/proc/self", O_RDONLY | O_DIRECTORY)
    #expect(try InodeFlags.isImmutable(proc) == nil)
    #expect(try !InodeFlags.setImmutable(true, on: proc))
  }

  @Test("a temporary folder takes its immutable leftovers with it", .requiresRoot)
  func leftovers() throws {
    var folder: TemporaryDirectory? = try TemporaryDirectory("flags")
    let root = try #require(folder).path
    let inner = try #require(folder).makeDirectory("a")
    try folder?.write("x", to: "a/file")
    _ = try InodeFlags.setImmutable(true, on: try Descriptor.open("\(inner)/file", O_RDONLY))
    _ = try InodeFlags.setImmutable(true, on: try Descriptor.open(inner, O_RDONLY))
    folder = nil
    #expect(access(root, F_OK) == -1)
  }
}

@Suite("The size of a file system")
struct FileSystemStatisticsTests {
  @Test("a descriptor and its path tell the same, within the total")
  func own() throws {
    let folder = try TemporaryDirectory("statistics")
    let byPath = try FileSystemStatistics(at: folder.path)
    let byHandle = try FileSystemStatistics(of: try Descriptor.open(folder.path, O_RDONLY))
    #expect(byPath.totalBytes == byHandle.totalBytes)
    #expect(byPath.totalBytes > 0)
    #expect(byPath.availableBytes <= byPath.freeBytes)
    #expect(byPath.usedBytes + byPath.freeBytes == byPath.totalBytes)
    #expect(byPath.usedInodes <= byPath.totalInodes)
    #expect(!byPath.isReadOnly)
  }

  @Test("an absent path is an error")
  func absent() {
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try FileSystemStatistics(at: "/nonexistent") }
  }
}

@Suite("Names in a directory")
struct DirectoryNamesTests {
  @Test("all names come, sorted, and no dots")
  func list() throws {
    let folder = try TemporaryDirectory("names")
    for name in ["b", "a", ".hidden", "ü"] { try folder.write("", to: name) }
    #expect(try DirectoryNames.list(folder.path) == [".hidden", "a", "b", "ü"])
    #expect(throws: Errno.notDirectory) { try DirectoryNames.list(folder.appending("a")) }
  }
}
