import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A FUSE mount", .requiresFuse, .serialized)
struct FuseMountTests {
  @Test("mounts, agrees on the table's capabilities and is found by its number")
  func mounts() throws {
    let folder = try TemporaryDirectory("fuse-mount")
    let mount = try FuseMount.mount(at: folder.path)
    let entry = try #require(try MountTable.read().visible(at: folder.path))
    #expect(entry.type == FuseMount.type && entry.source == FuseMount.source)
    #expect(entry.flags.isSuperset(of: .volume))
    #expect(mount.connection.number == entry.minor)
    #expect(mount.reply.granted == FuseInitDecision.grant(offered: mount.request.flags))
    #expect(mount.reply.granted.contains([.posixACL, .maxPages, .doNotMask]))
    try mount.connection.setReadAhead(bytes: 1 << 20)
    let set = try Descriptor.open("/sys/class/bdi/0:\(entry.minor)/read_ahead_kb", O_RDONLY).read(upTo: 64)
    #expect(String(decoding: set, as: UTF8.self) == "1024\n")
    try Mount.unmount(folder.path)
    #expect(throws: Errno(rawValue: ENODEV)) { try mount.device.read(upTo: 1 << 21) }
  }

  @Test("ends with the last holder of its device")
  func endsWithDevice() throws {
    let folder = try TemporaryDirectory("fuse-mount")
    do { _ = try FuseMount.mount(at: folder.path) }
    #expect(throws: Errno.socketNotConnected) { _ = try Descriptor.open(folder.appending("x"), O_RDONLY) }
    try Mount.unmount(folder.path)
  }

  @Test("says which step failed where nothing can be mounted")
  func absentTarget() throws {
    let folder = try TemporaryDirectory("fuse-mount")
    let absent = folder.appending("absent")
    let failure = #expect(throws: FuseMount.Failure.self) { _ = try FuseMount.mount(at: absent) }
    #expect(failure?.step == .mounting && failure?.error == .noSuchFileOrDirectory)
    #expect(try MountTable.read().beneath(folder.path).isEmpty)
  }
}
