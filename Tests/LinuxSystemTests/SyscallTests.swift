import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("System calls and descriptors")
struct SyscallTests {
  @Test("an interrupted call is made again, any other error is thrown")
  func retrying() throws {
    var calls = 0
    let result = try Syscall.retrying { () -> Int in
      calls += 1
      errno = EINTR
      return calls < 3 ? -1 : 42
    }
    #expect(result == 42)
    #expect(calls == 3)
    #expect(throws: Errno.ioError) {
      try Syscall.retrying { () -> CInt in
        errno = EIO
        return -1
      }
    }
  }

  @Test("a call that must not be repeated is made once")
  func once() {
    var calls = 0
    #expect(throws: Errno.interrupted) {
      try Syscall.once { () -> CInt in
        calls += 1
        errno = EINTR
        return -1
      }
    }
    #expect(calls == 1)
  }

  @Test("calls that return their error are understood")
  func returningError() throws {
    try Syscall.returningError { 0 }
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try Syscall.returningError { EAGAIN } }
  }

  @Test("a descriptor is closed with its owner, and not when it was released")
  func ownership() throws {
    let number: CInt
    do {
      let descriptor = try Descriptor.open("/dev/null", O_RDONLY)
      number = descriptor.rawValue
      #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
      _ = consume descriptor
    }
    let released = try Descriptor.open("/dev/null", O_RDONLY).release()
    #expect(fcntl(released, F_GETFD) >= 0)
    close(released)
  }

  @Test("a duplicate shares the file and outlives the first")
  func duplicate() throws {
    let folder = try TemporaryDirectory("descriptor")
    let first = try Descriptor.open(folder.appending("f"), O_RDWR | O_CREAT, mode: 0o600)
    let second = try first.duplicate()
    try first.writeAll([1, 2])
    try first.close()
    try second.writeAll([3])
    #expect(try WholeFile.read(folder.appending("f")) == [1, 2, 3])
    #expect(try second.path() == folder.appending("f"))
  }

  @Test("a file beyond the limit is refused, an empty one is empty")
  func limits() throws {
    let folder = try TemporaryDirectory("descriptor")
    let path = try folder.write(String(repeating: "x", count: 100), to: "f")
    #expect(throws: Errno.fileTooLarge) { try WholeFile.read(path, limit: 99) }
    #expect(try WholeFile.read(path, limit: 100).count == 100)
    #expect(try WholeFile.read("/dev/null").isEmpty)
    try Descriptor.open(path, O_WRONLY).writeAll([])
  }

  @Test("long links are read whole")
  func links() throws {
    let folder = try TemporaryDirectory("link")
    let target = String(repeating: "t/", count: 1500)
    try Syscall.once { symlink(target, folder.appending("link")) }
    #expect(try SymbolicLink.read(folder.appending("link")) == Array(target.utf8))
    #expect(throws: Errno.invalidArgument) { try SymbolicLink.read(folder.path) }
  }
}
