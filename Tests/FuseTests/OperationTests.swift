import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A mounted directory", .requiresFuse)
struct OperationTests {
  @Test("shows what is in the directory and writes through to it")
  func throughBothWays() throws {
    let mounted = try MountedDirectory()
    try Files.write("before", mounted.beside("a"))
    #expect(try Files.read(mounted.at("a")) == "before")
    try Files.write("after", mounted.at("b"))
    #expect(try Files.read(mounted.beside("b")) == "after")
    #expect(try Files.list(mounted.path).sorted() == ["a", "b"])
    #expect(try Files.list(mounted.source).sorted() == ["a", "b"])
  }

  @Test("an absent name is ENOENT, also once it was looked up before")
  func absent() throws {
    let mounted = try MountedDirectory()
    for _ in 0..<2 { #expect(throws: Errno.noSuchFileOrDirectory) { try Files.read(mounted.at("absent")) } }
    #expect(throws: Errno.noSuchFileOrDirectory) { try Files.remove(mounted.at("absent")) }
    #expect(throws: Errno.noSuchFileOrDirectory) { try Files.rename(mounted.at("absent"), mounted.at("x")) }
  }

  @Test("creates exclusively, truncates and appends")
  func opens() throws {
    let mounted = try MountedDirectory()
    try Files.write("12345", mounted.at("f"))
    #expect(throws: Errno.fileExists) { _ = try Files.open(mounted.at("f"), O_WRONLY | O_CREAT | O_EXCL) }
    let appending = try Files.open(mounted.at("f"), O_WRONLY | O_APPEND)
    try appending.writeAll(Array("67".utf8))
    try appending.writeAll(Array("8".utf8))
    #expect(try Files.read(mounted.at("f")) == "12345678")
    try Files.write("x", mounted.at("f"))
    #expect(try Files.read(mounted.at("f")) == "x")
  }

  @Test("makes directories, refuses to remove full ones, removes empty ones")
  func directories() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("d"))
    try Files.makeDirectory(mounted.at("d/e"), mode: 0o700)
    #expect(try Files.mode(mounted.beside("d/e")) == 0o700)
    #expect(throws: Errno.fileExists) { try Files.makeDirectory(mounted.at("d")) }
    #expect(throws: Errno.directoryNotEmpty) { try Files.removeDirectory(mounted.at("d")) }
    #expect(throws: Errno.isDirectory) { try Files.remove(mounted.at("d")) }
    try Files.removeDirectory(mounted.at("d/e"))
    try Files.removeDirectory(mounted.at("d"))
    #expect(!Files.exists(mounted.beside("d")))
  }

  @Test("symlinks hold their text, also one of 4095 bytes, and are not followed by the server")
  func symlinks() throws {
    let mounted = try MountedDirectory()
    let long = String(repeating: "x", count: 4095)
    for target in ["target", "../../etc/passwd", "/etc/hostname", long] {
      try Files.symlink(target, mounted.at("l"))
      #expect(String(decoding: try SymbolicLink.read(mounted.at("l")), as: UTF8.self) == target)
      #expect(try Files.status(mounted.at("l")).st_size == target.utf8.count)
      try Files.remove(mounted.at("l"))
    }
    try Files.symlink("/etc", mounted.beside("out"))
    // The caller's kernel follows it, outside of the mount.
    #expect(try Files.list(mounted.at("out")) == Files.list("/etc"))
    #expect(try Files.status(mounted.at("out")).st_mode & NodeType.mask == NodeType.link)
  }

  @Test("pipes, sockets and devices are nodes of their type")
  func specialNodes() throws {
    let mounted = try MountedDirectory()
    try Syscall.once { mkfifo(mounted.at("fifo"), 0o640) }
    try Syscall.once { mknod(mounted.at("sock"), NodeType.socket | 0o600, 0) }
    try Syscall.once { mknod(mounted.at("dev"), NodeType.character | 0o600, 0x0103) }
    try Syscall.once { mknod(mounted.at("file"), NodeType.file | 0o600, 0) }
    #expect(try Files.status(mounted.beside("fifo")).st_mode == NodeType.pipe | 0o640)
    #expect(try Files.status(mounted.at("sock")).st_mode & NodeType.mask == NodeType.socket)
    #expect(try Files.status(mounted.at("dev")).st_rdev == 0x0103)
    #expect(try Files.status(mounted.beside("dev")).st_rdev == 0x0103)
    #expect(try Files.status(mounted.at("file")).st_size == 0)
    // The mount is nodev.
    #expect(throws: Errno.permissionDenied) { _ = try Files.open(mounted.at("dev"), O_RDONLY) }
  }

  @Test("hard links are one node")
  func hardLinks() throws {
    let mounted = try MountedDirectory()
    try Files.write("one", mounted.at("a"))
    try Files.makeDirectory(mounted.at("d"))
    try Files.link(mounted.at("a"), mounted.at("d/b"))
    let (first, second) = (try Files.status(mounted.at("a")), try Files.status(mounted.at("d/b")))
    #expect(first.st_ino == second.st_ino && second.st_nlink == 2)
    try Files.write("two", mounted.at("d/b"))
    #expect(try Files.read(mounted.at("a")) == "two")
    try Files.changeMode(mounted.at("a"), 0o600)
    #expect(try Files.mode(mounted.at("d/b")) == 0o600)
    try Files.remove(mounted.at("a"))
    #expect(try Files.status(mounted.at("d/b")).st_nlink == 1)
    #expect(try Files.read(mounted.at("d/b")) == "two")
  }

  @Test("a rename replaces, refuses with NOREPLACE and exchanges with EXCHANGE")
  func renames() throws {
    let mounted = try MountedDirectory()
    try Files.write("a", mounted.at("a"))
    try Files.write("b", mounted.at("b"))
    #expect(throws: Errno.fileExists) { try Files.rename(mounted.at("a"), mounted.at("b"), flags: 1) }
    try Files.rename(mounted.at("a"), mounted.at("b"), flags: 2)
    #expect(try Files.read(mounted.at("a")) == "b" && Files.read(mounted.at("b")) == "a")
    try Files.rename(mounted.at("a"), mounted.at("b"))
    #expect(try Files.read(mounted.at("b")) == "b" && !Files.exists(mounted.at("a")))
    try Files.makeDirectory(mounted.at("d"))
    try Files.rename(mounted.at("b"), mounted.at("d/c"), flags: 1)
    #expect(try Files.read(mounted.beside("d/c")) == "b")
    #expect(throws: Errno.invalidArgument) { try Files.rename(mounted.at("d"), mounted.at("d/e")) }
    #expect(throws: Errno.self) { try Files.rename(mounted.at("d/c"), mounted.at("d")) }
  }

  @Test("a renamed directory's open descriptors and children stay the same")
  func renamedDirectory() throws {
    let mounted = try MountedDirectory()
    try Files.makeDirectory(mounted.at("d"))
    try Files.write("x", mounted.at("d/f"))
    let directory = try Files.open(mounted.at("d"), O_RDONLY | O_DIRECTORY)
    let file = try Files.open(mounted.at("d/f"), O_RDWR)
    try Files.rename(mounted.at("d"), mounted.at("e"))
    try Files.writeAt(file, "yz", 1)
    #expect(try directory.open(at: "f", O_RDONLY).readToEnd() == Array("xyz".utf8))
    #expect(try Files.read(mounted.at("e/f")) == "xyz")
  }

  @Test("a file that is unlinked while open is read, written, measured and truncated until it is closed")
  func unlinkedAndOpen() throws {
    let mounted = try MountedDirectory()
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    try Files.writeAt(file, "hello", 0)
    try Files.remove(mounted.at("f"))
    #expect(!Files.exists(mounted.beside("f")))
    try Files.writeAt(file, " world", 5)
    #expect(try Files.readAt(file, 100, 0) == "hello world")
    let number = file.rawValue
    var status = stat()
    try Syscall.once { fstat(number, &status) }
    #expect(status.st_size == 11 && status.st_nlink == 0)
    try Syscall.once { ftruncate(number, 4) }
    try Syscall.once { fsync(number) }
    try Syscall.once { fchmod(number, 0o600) }
    #expect(try Files.readAt(file, 100, 0) == "hell")
    #expect(try Files.list(mounted.source).isEmpty)
  }

  @Test("an open file that another rename replaces is still readable")
  func replacedAndOpen() throws {
    let mounted = try MountedDirectory()
    try Files.write("old", mounted.at("f"))
    let file = try Files.open(mounted.at("f"), O_RDONLY)
    try Files.write("new", mounted.at("g"))
    try Files.rename(mounted.at("g"), mounted.at("f"))
    #expect(try Files.readAt(file, 10, 0) == "old" && Files.read(mounted.at("f")) == "new")
  }

  @Test("times are set to the nanosecond, kept apart, and may be omitted")
  func times() throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"))
    var times = [timespec(tv_sec: 1_000, tv_nsec: 1), timespec(tv_sec: -5, tv_nsec: 999_999_999)]
    try Syscall.once { utimensat(AT_FDCWD, mounted.at("f"), &times, 0) }
    var status = try Files.status(mounted.at("f"))
    #expect(status.st_atim.tv_sec == 1_000 && status.st_atim.tv_nsec == 1)
    #expect(status.st_mtim.tv_sec == -5 && status.st_mtim.tv_nsec == 999_999_999)
    times = [timespec(tv_sec: 0, tv_nsec: 1_073_741_822), timespec(tv_sec: 0, tv_nsec: 1_073_741_823)]  // OMIT, NOW
    try Syscall.once { utimensat(AT_FDCWD, mounted.at("f"), &times, 0) }
    status = try Files.status(mounted.at("f"))
    #expect(status.st_atim.tv_sec == 1_000 && status.st_mtim.tv_sec > 1_600_000_000)
  }

  @Test("statfs shows the file system under it")
  func statistics() throws {
    let mounted = try MountedDirectory()
    var (shown, real) = (statvfs(), statvfs())
    try Syscall.once { statvfs(mounted.path, &shown) }
    try Syscall.once { statvfs(mounted.source, &real) }
    #expect(shown.f_namemax == 255 && shown.f_blocks * shown.f_frsize == real.f_blocks * real.f_frsize)
    #expect(shown.f_files == real.f_files)
  }

  @Test("a change beside the mount is seen when the timeouts are over, here at once")
  func changesBeside() throws {
    let mounted = try MountedDirectory(["-o", "attrTimeout=0,entryTimeout=0"])
    try Files.write("one", mounted.at("f"))
    #expect(try Files.read(mounted.at("f")) == "one")
    try Files.write("twelve", mounted.beside("f"))
    #expect(try Files.read(mounted.at("f")) == "twelve")
    try Files.remove(mounted.beside("f"))
    #expect(!Files.exists(mounted.at("f")))
    try Files.makeDirectory(mounted.beside("f"))
    #expect(try Files.status(mounted.at("f")).st_mode & NodeType.mask == NodeType.directory)
  }

  @Test("requests that make no sense for a file are refused as on a disk")
  func invalid() throws {
    let mounted = try MountedDirectory()
    try Files.write("x", mounted.at("f"))
    let file = try Files.open(mounted.at("f"), O_RDWR)
    let number = file.rawValue
    #expect(throws: Errno.inappropriateIOCTLForDevice) { try Syscall.once { ioctl(number, 0x1234_5678, 0) } }
    #expect(throws: Errno.notDirectory) { _ = try Files.open(mounted.at("f/x"), O_RDONLY) }
    #expect(throws: Errno.isDirectory) { _ = try Files.open(mounted.path, O_WRONLY) }
    #expect(throws: Errno.invalidArgument) { try Files.truncate(mounted.at("f"), -1) }
    #expect(throws: Errno.self) { try Syscall.once { pwrite(number, "x", 1, off_t.max) } }
    var waiting = pollfd(fd: number, events: Int16(POLLIN | POLLOUT), revents: 0)
    #expect(try Syscall.once { poll(&waiting, 1, 0) } == 1 && waiting.revents == Int16(POLLIN | POLLOUT))
    #expect(throws: Errno.tooManySymbolicLinkLevels) {
      try Files.symlink("loop", mounted.at("loop"))
      _ = try Files.open(mounted.at("loop"), O_RDONLY)
    }
  }
}
