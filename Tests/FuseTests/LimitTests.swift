import CLinux
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("A mount at its limits", .requiresFuse, .serialized)
struct LimitTests {
  @Test("30000 live files are served under a limit of 20000 descriptors")
  func manyLiveFiles() throws {
    let mounted = try MountedDirectory(descriptorLimit: 20_000)
    for folder in 0..<30 {
      try Files.makeDirectory(mounted.beside("d\(folder)"))
      for file in 0..<1_000 { try Files.write("\(folder)/\(file)", mounted.beside("d\(folder)/\(file)")) }
    }
    // Every name that was looked up stays a node of the kernel, and of the server.
    for folder in 0..<30 {
      for file in 0..<1_000 { #expect(try Files.status(mounted.at("d\(folder)/\(file)")).st_size > 2) }
    }
    for folder in 0..<30 { #expect(try Files.read(mounted.at("d\(folder)/999")) == "\(folder)/999") }
    let open = try DirectoryNames.list("/proc/\(mounted.server.pid)/fd").count
    #expect(open < 20_000)
  }

  @Test("files held open by thousands are served under a low limit of descriptors")
  func manyOpenFiles() throws {
    let (current, maximum) = try ResourceLimit.openFiles()
    _ = try ResourceLimit.raiseOpenFiles(to: 8_000)
    defer { try? ResourceLimit.setOpenFiles(current: max(current, 8_000), maximum: maximum) }
    let mounted = try MountedDirectory(descriptorLimit: 1_024)
    var files: [SharedDescriptor] = []
    for index in 0..<3_000 {
      let file = SharedDescriptor(try Files.open(mounted.at("f\(index)"), O_RDWR | O_CREAT))
      try Files.writeAt(file.descriptor, "\(index)", 0)
      files.append(file)
    }
    for (index, file) in files.enumerated() { #expect(try Files.readAt(file.descriptor, 10, 0) == "\(index)") }
  }

  @Test("a full disk is ENOSPC for writes and creations, and what fits stays right")
  func fullDisk() throws {
    let folder = try TemporaryDirectory("full")
    let disk = try folder.makeDirectory("disk")
    try Mount.mount(source: "tmpfs", target: disk, type: "tmpfs", data: "size=1m,nr_inodes=20")
    let mounted = try MountedDirectory(source: disk, in: folder)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    let number = file.rawValue
    let block = [UInt8](repeating: 7, count: 65_536)
    var written = 0
    let error = #expect(throws: Errno.self) {
      while true { written += try Syscall.retrying { pwrite(number, block, block.count, off_t(written)) } }
    }
    #expect(error == .noSpace && written >= 900_000)
    #expect(try Files.status(mounted.at("f")).st_size == written)
    let creation = #expect(throws: Errno.self) {
      for index in 0..<40 { try Files.write("", mounted.at("n\(index)")) }
    }
    #expect(creation == .noSpace)
    try Files.truncate(mounted.at("f"), 0)
    try Files.writeAt(file, "fits", 0)
    #expect(try Files.read(mounted.at("f")) == "fits")
  }

  /// Injected, and so on every machine, the same is asked of `MountedSessionTests`.
  @Test(
    "a quota that is used up is EDQUOT for writes and creations, and what fits stays right",
    .requiresProgram("setpriv"), arguments: QuotaDisk.offered)
  func quota(_ kind: QuotaDisk) throws {
    let folder = try TemporaryDirectory("quota")
    let mounted = try MountedDirectory(source: try kind.mount(in: folder), in: folder)
    func asUser(_ command: String) throws -> (status: Int32, output: String) {
      try Program.shell("cd '\(mounted.path)' && LC_ALL=C; \(command)", user: (1_000, []))
    }
    #expect(try asUser("dd if=/dev/zero of=first bs=64k count=16 conv=fsync").status == 0)
    let tooMuch = try asUser("dd if=/dev/zero of=second bs=64k count=100")
    #expect(tooMuch.status != 0 && tooMuch.output.contains("Disk quota exceeded"), "\(tooMuch.output)")
    let written = Int(try Files.status(mounted.at("second")).st_size)
    #expect(written > 0 && written + 1 << 20 <= QuotaDisk.limit)
    #expect(try Files.status(mounted.at("first")).st_size == 1 << 20)
    #expect(try asUser("rm first && dd if=/dev/zero of=third bs=64k count=4 conv=fsync").status == 0)
  }

  @Test("no thread of a server has CAP_SYS_RESOURCE, with which quotas and reserved blocks would not count")
  func systemResource() throws {
    let mounted = try MountedDirectory()
    let tasks = "/proc/\(mounted.server.pid)/task"
    for task in try DirectoryNames.list(tasks) {
      let line = try WholeFile.text("\(tasks)/\(task)/status").split(separator: "\n").first { $0.hasPrefix("CapEff:") }
      let effective = try #require(line?.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) })
      #expect(effective & Capabilities.systemResource.rawValue == 0)
      #expect(effective & Capabilities.dacReadSearch.rawValue != 0)
    }
  }

  @Test("a read-only mount refuses every change with EROFS and reads on")
  func readOnly() throws {
    let mounted = try MountedDirectory(["--read-only"])
    try Files.write("x", mounted.beside("f"))
    #expect(try Files.read(mounted.at("f")) == "x")
    let refused = Errno.readOnlyFileSystem
    #expect(throws: refused) { _ = try Files.open(mounted.at("f"), O_WRONLY) }
    #expect(throws: refused) { try Files.write("", mounted.at("new")) }
    #expect(throws: refused) { try Files.remove(mounted.at("f")) }
    #expect(throws: refused) { try Files.makeDirectory(mounted.at("d")) }
    #expect(throws: refused) { try Files.rename(mounted.at("f"), mounted.at("g")) }
    #expect(throws: refused) { try Files.changeMode(mounted.at("f"), 0o600) }
    #expect(throws: refused) { try Files.truncate(mounted.at("f"), 0) }
    #expect(throws: refused) { try Files.symlink("x", mounted.at("l")) }
    #expect(throws: refused) { try Files.link(mounted.at("f"), mounted.at("h")) }
  }

  @Test("a directory that is itself read-only is served, and changes are EROFS")
  func readOnlySource() throws {
    let folder = try TemporaryDirectory("ro")
    let disk = try folder.makeDirectory("disk")
    try Mount.mount(source: "tmpfs", target: disk, type: "tmpfs")
    try Files.write("x", "\(disk)/f")
    try Mount.remountBind(disk, flags: [.readOnly])
    let mounted = try MountedDirectory(source: disk, in: folder)
    #expect(try Files.read(mounted.at("f")) == "x")
    #expect(throws: Errno.readOnlyFileSystem) { try Files.write("", mounted.at("new")) }
    #expect(throws: Errno.readOnlyFileSystem) { try Files.remove(mounted.at("f")) }
  }
}

/// Where a served directory may lie.
enum SourceKind: String, CaseIterable, Sendable { case disk, tmpfs, overlay }

@Suite("Directories on other file systems", .requiresFuse)
struct SourceKindTests {
  private func mount(_ kind: SourceKind) throws -> MountedDirectory {
    let folder = try TemporaryDirectory("kind")
    let disk = try folder.makeDirectory("disk")
    switch kind {
    case .disk: break
    case .tmpfs: try Mount.mount(source: "tmpfs", target: disk, type: "tmpfs")
    case .overlay:
      // An overlay's upper directory may not lie on another overlay: a tmpfs works everywhere.
      let layers = try folder.makeDirectory("layers")
      try Mount.mount(source: "tmpfs", target: layers, type: "tmpfs")
      for name in ["lower", "upper", "work"] { try Files.makeDirectory("\(layers)/\(name)") }
      try Files.write("lower", "\(layers)/lower/below")
      try Mount.mount(
        source: "overlay", target: disk, type: "overlay",
        data: "lowerdir=\(layers)/lower,upperdir=\(layers)/upper,workdir=\(layers)/work")
    }
    return try MountedDirectory(source: disk, in: folder)
  }

  @Test("files are made, read, renamed, linked and removed", arguments: SourceKind.allCases)
  func basics(_ kind: SourceKind) throws {
    let mounted = try mount(kind)
    if kind == .overlay {
      #expect(try Files.read(mounted.at("below")) == "lower")
      try Files.writeAt(Files.open(mounted.at("below"), O_RDWR), "LOWER+", 0)
      #expect(try Files.read(mounted.at("below")) == "LOWER+" && Files.read(mounted.beside("below")) == "LOWER+")
      try Files.remove(mounted.at("below"))
    }
    try Files.makeDirectory(mounted.at("d"))
    try Files.write("one", mounted.at("d/a"))
    try Files.link(mounted.at("d/a"), mounted.at("b"))
    try Files.rename(mounted.at("d"), mounted.at("e"))
    #expect(try Files.read(mounted.at("e/a")) == "one")
    try Files.write("two", mounted.at("b"))
    #expect(try Files.read(mounted.at("e/a")) == "two")
    try Files.symlink("b", mounted.at("l"))
    #expect(try Files.list(mounted.path).sorted() == ["b", "e", "l"])
    for name in ["l", "b", "e/a"] { try Files.remove(mounted.at(name)) }
    try Files.removeDirectory(mounted.at("e"))
    #expect(try Files.list(mounted.source).isEmpty)
  }

  @Test("an open file outlives its name", arguments: SourceKind.allCases)
  func unlinked(_ kind: SourceKind) throws {
    let mounted = try mount(kind)
    let file = try Files.open(mounted.at("f"), O_RDWR | O_CREAT)
    try Files.writeAt(file, "here", 0)
    try Files.remove(mounted.at("f"))
    try Files.write("other", mounted.at("f"))
    try Files.writeAt(file, "!", 4)
    #expect(try Files.readAt(file, 10, 0) == "here!" && Files.read(mounted.at("f")) == "other")
  }

  @Test("1000 entries are listed once", arguments: SourceKind.allCases)
  func listing(_ kind: SourceKind) throws {
    let mounted = try mount(kind)
    for index in 0..<1_000 { try Files.write("", mounted.at("f\(index)")) }
    let names = try Files.list(mounted.path)
    #expect(names.count - (kind == .overlay ? 1 : 0) == 1_000 && Set(names).count == names.count)
  }
}
