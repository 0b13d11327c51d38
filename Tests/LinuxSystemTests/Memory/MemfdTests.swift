import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A memfd and its seals")
struct MemfdTests {
  @Test("a fresh memfd is empty, CLOEXEC and named in /proc")
  func fresh() throws {
    let memfd = try Memfd.create(name: "alluxio-test")
    #expect(try Memfd.byteCount(of: memfd) == 0)
    #expect(try memfd.path() == "/memfd:alluxio-test (deleted)")
    let number = memfd.rawValue
    #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
  }

  @Test("sealed against shrinking it can grow but never shrink")
  func shrinkSeal() throws {
    let memfd = try Memfd.create(name: "t", byteCount: 4096, sealing: [.shrink])
    try Memfd.resize(memfd, to: 8192)
    #expect(throws: Errno.notPermitted) { try Memfd.resize(memfd, to: 4096) }
    #expect(try Memfd.seals(of: memfd) == .shrink)
  }

  @Test("sealed content can be read and never changed")
  func sealedContent() throws {
    let secret = Array("key=value".utf8)
    let memfd = try Memfd.sealed(name: "secrets", bytes: secret)
    #expect(try Memfd.contents(of: memfd) == secret)
    #expect(try Memfd.contents(of: memfd) == secret, "the shared offset does not matter")
    #expect(throws: Errno.notPermitted) { try memfd.writeAll([0]) }
    #expect(throws: Errno.notPermitted) { try Memfd.seal(memfd, .shrink) }
    #expect(try Memfd.seals(of: memfd) == .everything)
  }

  @Test("content beyond the limit is refused")
  func limit() throws {
    let memfd = try Memfd.create(name: "t", byteCount: 100)
    #expect(throws: Errno.fileTooLarge) { try Memfd.contents(of: memfd, limit: 99) }
    #expect(try Memfd.contents(of: memfd, limit: 100).count == 100)
  }

  @Test("what is no memfd has no seals")
  func noMemfd() throws {
    let file = try Descriptor.open("/dev/null", O_RDWR)
    #expect(throws: Errno.invalidArgument) { try Memfd.seals(of: file) }
  }

  @Test("sealing against writing waits for no writer: it fails while one maps the memory")
  func writeSealWhileMapped() throws {
    let memfd = try Memfd.create(name: "t", byteCount: 4096, sealing: [.shrink])
    let memory = try SharedMemory(mapping: memfd)
    #expect(throws: Errno.resourceBusy) { try Memfd.seal(memfd, .write) }
    #expect(memory.byteCount == 4096)
  }
}
