import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Contents of files on a mount", .requiresFuse)
struct ContentTests {
  @Test("a sparse file over 4 GiB keeps its holes and its bytes at both ends", arguments: Way.allCases)
  func sparse(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    let number = file.rawValue
    let far = 5 << 30
    try Files.writeAt(file, "start", 0)
    try Files.writeAt(file, "end", far)
    #expect(try Files.status(mounted.at("f")).st_size == far + 3)
    #expect(try Files.status(mounted.beside("f")).st_size == far + 3)
    #expect(try Files.status(mounted.at("f")).st_blocks < 1_000)
    #expect(try Files.readAt(file, 8, far - 2) == "\0\0end")
    #expect(lseek(number, 0, 4) == 4096)  // SEEK_HOLE
    let data = lseek(number, 8192, 3)  // SEEK_DATA
    #expect(data > 8192 && data <= far)
    #expect(lseek(number, 0, SEEK_END) == far + 3)
    #expect(throws: Errno(rawValue: ENXIO)) { try Syscall.once { lseek(number, far + 100, 3) } }
    try Syscall.once { ftruncate(number, 1 << 42) }
    #expect(try Files.status(mounted.beside("f")).st_size == 1 << 42)
  }

  @Test("truncation cuts, grows with zeros and is seen by those who have the file open", arguments: Way.allCases)
  func truncation(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("0123456789", mounted.at("f"))
    let file = try Files.open(mounted.at("f"), O_RDWR)
    try Files.truncate(mounted.at("f"), 4)
    #expect(try Files.readAt(file, 100, 0) == "0123")
    try Files.truncate(mounted.at("f"), 6)
    #expect(try Files.readAt(file, 100, 0) == "0123\0\0")
    #expect(throws: Errno.isDirectory) { try Files.truncate(mounted.path, 0) }
  }

  @Test("a megabyte and one byte, written at once, comes back", arguments: Way.allCases)
  func large(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    var random = SeededGenerator(seed: 1)
    let bytes = random.bytes(count: 1 << 20) + [7]
    try Files.open(mounted.at("f"), O_WRONLY | O_CREAT).writeAll(bytes)
    #expect(try Files.open(mounted.beside("f"), O_RDONLY).readToEnd() == bytes)
    #expect(try Files.open(mounted.at("f"), O_RDONLY).readToEnd() == bytes)
  }

  @Test("direct I/O reads and writes what buffered I/O does", arguments: Way.allCases)
  func direct(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    let size = 64 * 1024
    let memory = try SharedMemory(anonymousByteCount: size)
    var random = SeededGenerator(seed: 2)
    let bytes = random.bytes(count: size)
    memory.write(bytes, at: 0)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT | CInt(0o40000))  // O_DIRECT
    let number = file.rawValue
    let buffer = memory.pointer(at: 0, count: size).baseAddress
    #expect(pwrite(number, buffer, size, 0) == size)
    #expect(try Files.open(mounted.at("f"), O_RDONLY).readToEnd() == bytes)
    memory.clear(at: 0, count: size)
    #expect(pread(number, buffer, size, 0) == size)
    #expect(memory.bytes(at: 0, count: size) == bytes)
    #expect(pread(number, buffer, 4096, off_t(size - 4096)) == 4096 && pread(number, buffer, 4096, off_t(size)) == 0)
  }

  @Test("a shared mapping is written through and sees what others write", arguments: Way.allCases)
  func mapping(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write(String(repeating: ".", count: 8192), mounted.at("f"))
    let file = try Files.open(mounted.at("f"), O_RDWR)
    let address = mmap(nil, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0)
    let map = try #require(address == MAP_FAILED ? nil : address)
    defer { munmap(map, 8192) }
    (map + 4096).storeBytes(of: UInt8(ascii: "X"), as: UInt8.self)
    try Syscall.once { msync(map, 8192, CInt(MS_SYNC)) }
    #expect(try Files.readAt(Files.open(mounted.beside("f"), O_RDONLY), 3, 4095) == ".X.")
    try Files.writeAt(file, "Y", 1)
    #expect((map + 1).load(as: UInt8.self) == UInt8(ascii: "Y"))
  }

  @Test("a program on the mount runs, also while somebody reads it", arguments: Way.allCases)
  func execution(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("#!/bin/sh\necho it ran\n", mounted.at("script"), mode: 0o755)
    #expect(try Program.shell("cp /bin/true '\(mounted.at("true"))' && '\(mounted.at("true"))'").status == 0)
    let reader = try Files.open(mounted.at("true"), O_RDONLY)
    #expect(try Program.shell("'\(mounted.at("true"))' && '\(mounted.at("script"))'").output == "it ran")
    _ = reader
  }

  @Test("space is set aside, holes are punched, unknown modes are refused", arguments: Way.allCases)
  func allocation(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    let number = file.rawValue
    try Syscall.returningError { posix_fallocate(number, 0, 1 << 20) }
    var status = try Files.status(mounted.beside("f"))
    #expect(status.st_size == 1 << 20 && status.st_blocks >= 2048)
    try Files.writeAt(file, String(repeating: "x", count: 8192), 0)
    #expect(try Program.shell("fallocate -p -o 0 -l 4096 '\(mounted.at("f"))'").status == 0)
    #expect(try Files.readAt(file, 2, 4095) == "\0x")
    #expect(try Program.shell("fallocate -n -o 1048576 -l 65536 '\(mounted.at("f"))'").status == 0)
    status = try Files.status(mounted.at("f"))
    #expect(status.st_size == 1 << 20 && status.st_blocks >= 2048 + 128 - 8)
  }

  @Test("copy_file_range copies within the mount", .requiresProgram("python3"), arguments: Way.allCases)
  func copyRange(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("0123456789", mounted.at("a"))
    let script = """
      import os
      a, b = os.open('\(mounted.at("a"))', os.O_RDONLY), os.open('\(mounted.at("b"))', os.O_RDWR | os.O_CREAT)
      print(os.copy_file_range(a, b, 4, 2, 5), os.copy_file_range(a, b, 100, 6, 9), os.copy_file_range(a, b, 1, 10, 13))
      """
    #expect(try Program.shell("python3 -c \"\(script)\"").output == "4 4 0")
    #expect(try Files.read(mounted.beside("b")) == "\0\0\0\0\u{0}23456789")
  }

  @Test("fsync and fdatasync of files and directories succeed", arguments: Way.allCases)
  func synchronization(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT | O_SYNC)
    try Files.writeAt(file, "x", 0)
    let directory = try Files.open(mounted.path, O_RDONLY | O_DIRECTORY)
    for number in [file.rawValue, directory.rawValue] {
      try Syscall.once { fsync(number) }
      try Syscall.once { fdatasync(number) }
    }
  }
}

@Suite("Locks on a mount", .requiresFuse)
struct LockTests {
  @Test("flock excludes another open of the file and is the kernel's own", arguments: Way.allCases)
  func flockLocks(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("x", mounted.at("f"))
    let first = try Files.open(mounted.at("f"), O_RDWR)
    let second = try Files.open(mounted.at("f"), O_RDWR)
    let (a, b) = (first.rawValue, second.rawValue)
    try Syscall.once { flock(a, LOCK_EX) }
    #expect(throws: Errno.wouldBlock) { try Syscall.once { flock(b, LOCK_EX | LOCK_NB) } }
    // Kernel-local: somebody beside the mount is not kept out.
    let beside = try Files.open(mounted.beside("f"), O_RDWR)
    let c = beside.rawValue
    try Syscall.once { flock(c, LOCK_EX | LOCK_NB) }
    try Syscall.once { flock(a, LOCK_UN) }
    try Syscall.once { flock(b, LOCK_EX | LOCK_NB) }
  }

  @Test("open file description locks exclude by ranges", arguments: Way.allCases)
  func rangeLocks(_ way: Way) throws {
    let mounted = try MountedDirectory([], way)
    try Files.write("0123456789", mounted.at("f"))
    let first = try Files.open(mounted.at("f"), O_RDWR)
    let second = try Files.open(mounted.at("f"), O_RDWR)
    let (a, b) = (first.rawValue, second.rawValue)
    func lock(_ number: CInt, _ start: Int, _ count: Int) throws(Errno) {
      var range = Glibc.flock()
      range.l_type = Int16(F_WRLCK)
      range.l_whence = Int16(SEEK_SET)
      range.l_start = start
      range.l_len = count
      try Syscall.once { fcntl(number, 37, &range) }  // F_OFD_SETLK
    }
    try lock(a, 0, 5)
    try lock(b, 5, 5)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try lock(b, 4, 1) }
    try first.close()
    try lock(b, 0, 10)
  }
}
