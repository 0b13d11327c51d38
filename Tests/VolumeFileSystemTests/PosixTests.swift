import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

@Suite("files as POSIX has them", .requiresRoot)
struct PosixTests {
  @Test("names are bytes: 255 of them, no UTF-8 asked for", arguments: [true, false])
  func names(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    let long = FileName(bytes: [UInt8](repeating: 0xFF, count: 255))
    let odd: [FileName] = [long, FileName(bytes: [0xC0, 0x80, 0x0A, 0x01]), " ", "-rf", "...", ".alluxio", "ü"]
    for name in odd {
      let entry = try files.makeFile(name, Array(name.bytes))
      #expect(try files.lookup(name, in: rootNode).node == entry.node)
      #expect(try files.content(entry.node) == Array(name.bytes))
    }
    #expect(Set(try files.names()) == Set(odd))
    try volume.restart()
    for name in odd {
      #expect(try volume.files.exists(name))
      // The temporary directory could not remove names that are no text.
      try volume.files.unlink(name, in: rootNode, caller: rootCaller)
    }
    #expect(throws: Errno.fileNameTooLong) { try files.makeFile(FileName(bytes: [UInt8](repeating: 0x61, count: 256))) }
    #expect(throws: Errno.fileNameTooLong) {
      try files.lookup(FileName(bytes: [UInt8](repeating: 0x61, count: 256)), in: rootNode)
    }
  }

  @Test("names that lead out of a directory are refused by every operation", arguments: ["..", ".", "a/b", "/etc", ""])
  func escapes(text: String) throws {
    let volume = try Volume()
    let files = volume.files
    let name = FileName(bytes: text.utf8)
    let file = try files.makeFile("file")
    let error = Errno.invalidArgument
    #expect(throws: error) { try files.lookup(name, in: rootNode) }
    #expect(throws: error) { try files.makeFile(name) }
    #expect(throws: error) { try files.makeDirectory(name, in: rootNode, mode: 0o755, caller: rootCaller) }
    #expect(throws: error) { try files.makeSymlink(name, in: rootNode, target: [1], caller: rootCaller) }
    #expect(throws: error) { try files.link(file.node, as: name, in: rootNode, caller: rootCaller) }
    #expect(throws: error) { try files.unlink(name, in: rootNode, caller: rootCaller) }
    #expect(throws: error) { try files.removeDirectory(name, in: rootNode, caller: rootCaller) }
    #expect(throws: error) {
      try files.rename("file", in: rootNode, to: name, in: rootNode, flags: [], caller: rootCaller)
    }
    #expect(throws: error) {
      try files.rename(name, in: rootNode, to: "x", in: rootNode, flags: [], caller: rootCaller)
    }
    #expect(try files.names() == ["file"])
  }

  @Test("symlinks are shown and never followed, wherever they lead", arguments: [true, false])
  func symlinks(useHandles: Bool) throws {
    let outside = try TemporaryDirectory("outside")
    try outside.write("secret", to: "file")
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    symlink(outside.path, volume.path("d"))
    symlink(outside.appending("file"), volume.path("f"))
    let directory = try files.lookup("d", in: rootNode)
    let file = try files.lookup("f", in: rootNode)
    #expect(directory.attributes.type == FileType.symlink)
    #expect(throws: Errno.notDirectory) { try files.lookup("file", in: directory.node) }
    #expect(throws: Errno.notDirectory) { try files.makeFile("new", in: directory.node) }
    #expect(throws: (any Error).self) { _ = try files.names(directory.node) }
    #expect(throws: Errno.tooManySymbolicLinkLevels) { try files.open(file.node, flags: O_RDWR, caller: rootCaller) }
    var change = AttributeChange()
    change.size = 0
    #expect(throws: (any Error).self) { try files.setAttributes(change, of: file.node, caller: rootCaller) }
    change = AttributeChange()
    change.uid = 77
    #expect(try files.setAttributes(change, of: file.node, caller: rootCaller).attributes.uid == 77)
    #expect(try WholeFile.text(outside.appending("file")) == "secret")
    #expect(try Descriptor.open(outside.appending("file"), O_RDONLY).status().uid == 0)
  }

  @Test("a directory that is swapped for a symlink under a running lookup leads nowhere", arguments: [true, false])
  func swapped(useHandles: Bool) throws {
    let outside = try TemporaryDirectory("outside")
    try outside.write("secret", to: "file")
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    let directory = try files.makeDirectory("d", in: rootNode, mode: 0o755, caller: rootCaller)
    try files.makeFile("mine", in: directory.node)
    rename(volume.path("d"), volume.path("moved"))
    symlink(outside.path, volume.path("d"))
    try volume.restart()
    #expect(throws: (any Error).self) { try volume.files.lookup("file", in: directory.node) }
    #expect(try volume.files.lookup("d", in: rootNode).attributes.type == FileType.symlink)
  }

  @Test("the volume's directory may be replaced on its file system: the volume stays with the one it has")
  func rootReplaced() throws {
    let volume = try Volume()
    try volume.files.makeFile("f")
    rename(volume.directory.path, volume.directory.path + ".old")
    mkdir(volume.directory.path, 0o755)
    defer { TemporaryDirectory.removeTree(volume.directory.path + ".old") }
    #expect(try volume.files.exists("f"))
    try volume.files.makeFile("g")
    #expect(try DirectoryNames.list(volume.directory.path) == [])
  }

  @Test("files are sparse and reach beyond 4 GiB")
  func largeAndSparse() throws {
    let volume = try Volume()
    let files = volume.files
    let (entry, open) = try files.create("f", in: rootNode, mode: 0o644, flags: O_RDWR, caller: rootCaller)
    let far: Int64 = 5 << 30
    #expect(try files.write(entry.node, open.handle, Array("end".utf8), at: far) == 3)
    let attributes = try files.getAttributes(of: entry.node).attributes
    #expect(attributes.size == far + 3)
    #expect(attributes.blocks < 1000)
    #expect(try files.read(entry.node, open.handle, 10, at: far) == Array("end".utf8))
    #expect(try files.read(entry.node, open.handle, 4, at: 4 << 30) == [0, 0, 0, 0])
    #expect(try files.seek(entry.node, handle: open.handle, offset: 0, whence: 3) == far)
    #expect(try files.seek(entry.node, handle: open.handle, offset: 0, whence: 4) == 0)
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try files.seek(entry.node, handle: open.handle, offset: far + 3, whence: 3)
    }
    try files.allocate(entry.node, handle: open.handle, mode: 0, offset: 0, length: 1 << 20)
    #expect(try files.getAttributes(of: entry.node).attributes.blocks >= 2048)
    // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    try files.allocate(entry.node, handle: open.handle, mode: 3, offset: 0, length: 1 << 20)
    #expect(try files.getAttributes(of: entry.node).attributes.blocks < 1000)
    #expect(try files.getAttributes(of: entry.node).attributes.size == far + 3)
    files.release(entry.node, handle: open.handle)
  }

  @Test("ranges are copied between files")
  func copies() throws {
    let volume = try Volume()
    let files = volume.files
    let source = try files.makeFile("a", Array("0123456789".utf8))
    let target = try files.makeFile("b", Array("----------".utf8))
    let from = try files.open(source.node, flags: O_RDONLY, caller: rootCaller).handle
    let to = try files.open(target.node, flags: O_WRONLY, caller: rootCaller).handle
    let copied = try files.copyRange(
      from: source.node, handle: from, at: 2, to: target.node, handle: to, at: 5, length: 3)
    #expect(copied == 3)
    #expect(try files.content(target.node) == Array("-----234--".utf8))
  }

  @Test("times are set to the nanosecond, before 1970 too, and to now")
  func times() throws {
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("f")
    var change = AttributeChange()
    change.accessTime = .at(-1_000_000_001)
    change.modificationTime = .at(1_234_567_890_123_456_789)
    let reply = try files.setAttributes(change, of: file.node, caller: rootCaller)
    #expect(reply.attributes.accessTime == -1_000_000_001)
    #expect(reply.attributes.modificationTime == 1_234_567_890_123_456_789)
    change.accessTime = .now
    change.modificationTime = nil
    let later = try files.setAttributes(change, of: file.node, caller: rootCaller)
    #expect(later.attributes.accessTime > 1_600_000_000_000_000_000)
    #expect(later.attributes.modificationTime == 1_234_567_890_123_456_789)
  }

  @Test("pages of a file that changed a moment ago are not kept: it may change again within a tick of the clock")
  func freshFile() throws {
    let volume = try Volume()
    let files = volume.files
    let file = try files.makeFile("f", Array("x".utf8))
    var change = AttributeChange()
    change.modificationTime = .at(1_000_000_000_000_000_000)
    _ = try files.setAttributes(change, of: file.node, caller: rootCaller)
    for _ in 0..<2 {
      let open = try files.open(file.node, flags: O_RDONLY, caller: rootCaller)
      #expect(!open.keepCache)
      files.release(file.node, handle: open.handle)
      _ = try files.lookup("f", in: rootNode)
    }
  }

  @Test("extended attributes of files, directories and symlinks", arguments: [true, false])
  func extendedAttributes(useHandles: Bool) throws {
    let volume = try Volume(useHandles: useHandles)
    let files = volume.files
    let file = try files.makeFile("f")
    let link = try files.makeSymlink("s", in: rootNode, target: Array("f".utf8), caller: rootCaller)
    let value = [UInt8](repeating: 7, count: 3000)
    try files.setExtendedAttribute("user.a", of: file.node, to: value, flags: .create, caller: rootCaller)
    #expect(try files.extendedAttribute("user.a", of: file.node) == value)
    #expect(throws: Errno.fileExists) {
      try files.setExtendedAttribute("user.a", of: file.node, to: [1], flags: .create, caller: rootCaller)
    }
    #expect(throws: Errno.noData) {
      try files.setExtendedAttribute("user.b", of: file.node, to: [1], flags: .replace, caller: rootCaller)
    }
    try files.setExtendedAttribute("trusted.t", of: link.node, to: [], flags: [], caller: rootCaller)
    #expect(try files.extendedAttribute("trusted.t", of: link.node) == [])
    #expect(throws: Errno.noData) { try files.extendedAttribute("trusted.t", of: file.node) }
    let names = String(decoding: try files.extendedAttributeNames(of: file.node), as: UTF8.self)
    #expect(names == "user.a\0")
    try files.removeExtendedAttribute("user.a", of: file.node, caller: rootCaller)
    #expect(throws: Errno.noData) { try files.extendedAttribute("user.a", of: file.node) }
  }

  @Test("hidden names are not found, not listed, and cannot be made")
  func hiddenNames() throws {
    let volume = try Volume()
    let files = volume.files
    try volume.directory.write("vol-1", to: ".alluxio.volume")
    try volume.directory.write("", to: ".alluxio.tmp.0123456789abcdef")
    #expect(try files.names() == [])
    #expect(try !files.exists(".alluxio.volume"))
    #expect(throws: Errno.notPermitted) { try files.makeFile(".alluxio.volume") }
    #expect(throws: Errno.notPermitted) { try files.makeFile(".alluxio.tmp.1") }
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try files.unlink(".alluxio.volume", in: rootNode, caller: rootCaller)
    }
    let file = try files.makeFile("f")
    #expect(throws: Errno.notPermitted) {
      try files.rename("f", in: rootNode, to: ".alluxio.volume", in: rootNode, flags: [], caller: rootCaller)
    }
    #expect(throws: Errno.notPermitted) {
      try files.link(file.node, as: ".alluxio.volume", in: rootNode, caller: rootCaller)
    }
    #expect(try WholeFile.text(volume.path(".alluxio.volume")) == "vol-1")
  }

  @Test("a capacity bounds what statfs shows")
  func capacity() throws {
    var options = WorkerOptions()
    options.capacityBytes = 1 << 30
    let volume = try Volume(options: options)
    let statistics = try volume.files.statistics()
    #expect(statistics.blocks * statistics.fragmentSize <= 1 << 30)
    #expect(statistics.availableBlocks <= statistics.blocks)
    options.capacityBytes = nil
    volume.files.update(options)
    #expect(try volume.files.statistics().blocks * statistics.fragmentSize > 1 << 30)
  }

  @Test("devices and pipes are never opened by the worker")
  func specials() throws {
    let volume = try Volume()
    let pipe = try volume.files.makeNode("p", in: rootNode, mode: S_IFIFO | 0o600, device: 0, caller: rootCaller)
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try volume.files.open(pipe.node, flags: O_RDONLY, caller: rootCaller)
    }
    #expect(throws: Errno.isDirectory) { try volume.files.open(rootNode, flags: O_RDONLY, caller: rootCaller) }
  }

  @Test("another mount inside the directory is served, by names")
  func mountInside() async throws {
    let volume = try Volume()
    try await PrivateMountNamespace.run {
      try volume.directory.makeDirectory("m")
      let other = try TemporaryDirectory("other", beneath: "/dev/shm")
      try other.write("there", to: "file")
      try Mount.bind(from: other.path, to: volume.path("m"))
      // Only a root that is opened in this namespace leads to its mounts.
      try volume.restart()
      let directory = try volume.files.lookup("m", in: rootNode)
      let file = try volume.files.lookup("file", in: directory.node)
      #expect(try volume.files.content(file.node) == Array("there".utf8))
      let made = try volume.files.makeFile("new", in: directory.node, Array("n".utf8))
      #expect(try volume.files.content(made.node) == Array("n".utf8))
      #expect(throws: Errno.improperLink) {
        try volume.files.rename("new", in: directory.node, to: "new", in: rootNode, flags: [], caller: rootCaller)
      }
      for node in [made.node, file.node, directory.node] { volume.files.forget(node, 1) }
    }
  }
}
