import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A file that the kernel reads for a FUSE mount", .requiresFuse, .requiresPassthrough, .serialized)
struct FuseBackingFileTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory("backing") }

  private func mount(_ onRequest: FuseInitFlags) throws -> FuseMount {
    try FuseMount.mount(at: folder.makeDirectory("mount"), onRequest: onRequest)
  }

  @Test("gets a number of its own at each registration, which ends once")
  func numbers() throws {
    let mount = try mount(.passthrough)
    defer { try? Mount.unmount(folder.appending("mount")) }
    #expect(mount.reply.granted.contains(.passthrough))
    try folder.write("content", to: "file")
    let file = try Descriptor.open(folder.appending("file"), O_RDONLY)
    let held = try Capabilities.effective()
    let first = try FuseBackingFile.open(file.rawValue, for: mount.device.rawValue)
    let second = try FuseBackingFile.open(file.rawValue, for: mount.device.rawValue)
    #expect(first > 0 && second > 0 && first != second)
    #expect(try Capabilities.effective() == held)
    try FuseBackingFile.close(first, of: mount.device.rawValue)
    #expect(throws: Errno.noSuchFileOrDirectory) { try FuseBackingFile.close(first, of: mount.device.rawValue) }
    try FuseBackingFile.close(second, of: mount.device.rawValue)
  }

  @Test("is refused with ELOOP where its file system lies on another one")
  func stacked() throws {
    let mount = try mount(.passthrough)
    defer { try? Mount.unmount(folder.appending("mount")) }
    let layers = try folder.makeDirectory("layers")
    let shown = try folder.makeDirectory("shown")
    try Mount.mount(source: "tmpfs", target: layers, type: "tmpfs")
    defer { try? Mount.unmount(layers) }
    for name in ["lower", "upper", "work"] { try folder.makeDirectory("layers/\(name)") }
    try Mount.mount(
      source: "overlay", target: shown, type: "overlay",
      data: "lowerdir=\(layers)/lower,upperdir=\(layers)/upper,workdir=\(layers)/work")
    defer { try? Mount.unmount(shown) }
    let file = try Descriptor.open("\(shown)/file", O_RDWR | O_CREAT, mode: 0o600)
    #expect(throws: Errno.tooManySymbolicLinkLevels) {
      _ = try FuseBackingFile.open(file.rawValue, for: mount.device.rawValue)
    }
  }

  @Test("is refused where passthrough was not agreed on, and its capabilities come back")
  func notAgreed() throws {
    let mount = try mount([])
    defer { try? Mount.unmount(folder.appending("mount")) }
    let held = try Capabilities.effective()
    try folder.write("content", to: "file")
    let file = try Descriptor.open(folder.appending("file"), O_RDONLY)
    #expect(throws: Errno.notPermitted) { _ = try FuseBackingFile.open(file.rawValue, for: mount.device.rawValue) }
    #expect(try Capabilities.effective() == held)
  }
}
