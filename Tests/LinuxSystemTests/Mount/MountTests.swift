import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Mounting and unmounting", .requiresRoot)
struct MountTests {
  /// A private mount namespace with a tmpfs in a temporary folder.
  private func withTmpfs(_ body: @escaping @Sendable (String) throws -> Void) async throws {
    let folder = try TemporaryDirectory("mount")
    try await PrivateMountNamespace.run {
      let tmpfs = try folder.makeDirectory("tmpfs")
      try Mount.mount(source: "test", target: tmpfs, type: "tmpfs", flags: .volume, data: "size=1m")
      try body(tmpfs)
    }
    #expect(try MountTable.read().beneath(folder.path).isEmpty, "the namespace leaked a mount")
  }

  private static func makeFolders(_ root: String, _ names: String...) throws -> [String] {
    try names.map { name in
      try Syscall.once { mkdir("\(root)/\(name)", 0o755) }
      return "\(root)/\(name)"
    }
  }

  private static func write(_ path: String) throws(Errno) {
    try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o644).writeAll([1])
  }

  @Test("a mount appears in the table with its options and is gone after unmounting")
  func mountAndUnmount() async throws {
    try await withTmpfs { path in
      let entry = try #require(try MountTable.read().visible(at: path))
      #expect(entry.type == "tmpfs")
      #expect(entry.source == "test")
      #expect(entry.flags.isSuperset(of: .volume))
      try Mount.unmount(path)
      #expect(try MountTable.read().visible(at: path) == nil)
      #expect(throws: Errno.invalidArgument) { try Mount.unmount(path) }
    }
  }

  @Test("a bind shows the same directory; a read-only one refuses writes and leaves the source writable")
  func readOnlyBind() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "source", "writable", "readonly")
      try Mount.bind(from: folders[0], to: folders[1], flags: .volume)
      try Mount.bind(from: folders[0], to: folders[2], flags: [.volume, .readOnly])
      try Self.write("\(folders[1])/file")
      #expect(throws: Errno.readOnlyFileSystem) { try Self.write("\(folders[2])/file") }
      #expect(access("\(folders[2])/file", R_OK) == 0)
      let table = try MountTable.read()
      let readonly = try #require(table.visible(at: folders[2]))
      #expect(readonly.flags.isSuperset(of: [.readOnly, .noSetUserID, .noDevices]))
      #expect(readonly.showsSameDirectory(as: try #require(table.visible(at: folders[1]))))
      #expect(!(try #require(table.visible(at: folders[1]))).isReadOnly)
    }
  }

  @Test("remounting a bind read-only keeps the other flags that are given and touches no other mount")
  func remount() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "source", "target")
      try Mount.bind(from: folders[0], to: folders[1], flags: .volume)
      let before = try #require(try MountTable.read().visible(at: folders[1]))
      try Mount.remountBind(folders[1], flags: before.flags.union(.readOnly))
      let after = try #require(try MountTable.read().visible(at: folders[1]))
      #expect(after.flags == before.flags.union(.readOnly))
      #expect(after.id == before.id)
      try Self.write("\(folders[0])/file")
    }
  }

  @Test("a bind from a descriptor shows what was opened, although its name now leads elsewhere")
  func bindFromDescriptor() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "source", "target", "other")
      try Self.write("\(folders[0])/mine")
      let source = try Descriptor.open(folders[0], O_RDONLY | O_DIRECTORY)
      try Syscall.once { rename(folders[0], "\(path)/moved") }
      try Syscall.once { symlink(folders[2], folders[0]) }
      try Mount.bind(from: source, to: folders[1], flags: [.volume, .readOnly])
      #expect(access("\(folders[1])/mine", F_OK) == 0)
      #expect(throws: Errno.readOnlyFileSystem) { try Self.write("\(folders[1])/more") }
    }
  }

  @Test("a file can be bound over a file")
  func bindFile() async throws {
    try await withTmpfs { path in
      try Self.write("\(path)/a")
      try Descriptor.open("\(path)/b", O_WRONLY | O_CREAT, mode: 0o600).close()
      try Mount.bind(from: "\(path)/a", to: "\(path)/b")
      #expect(try WholeFile.read("\(path)/b") == [1])
    }
  }

  @Test("a target that is a symbolic link is not followed")
  func symbolicLinkTarget() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "source", "real")
      try Syscall.once { symlink(folders[1], "\(path)/link") }
      #expect(throws: Errno.self) { try Mount.bind(from: folders[0], to: "\(path)/link") }
      #expect(try MountTable.read().visible(at: folders[1]) == nil)
      try Mount.bind(from: folders[0], to: folders[1])
      #expect(throws: Errno.invalidArgument) { try Mount.unmount("\(path)/link") }
    }
  }

  @Test("a recursive bind brings the mounts below along, read-only ones included")
  func recursiveBind() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "source", "target")
      let inner = try Self.makeFolders(folders[0], "inner")[0]
      try Mount.mount(source: "inner", target: inner, type: "tmpfs")
      try Mount.bind(from: folders[0], to: folders[1], flags: [.readOnly], recursive: true)
      #expect(throws: Errno.readOnlyFileSystem) { try Self.write("\(folders[1])/inner/file") }
      try Self.write("\(inner)/file")
    }
  }

  @Test("a mount in use is busy; detaching takes it away and its user keeps working")
  func busyAndDetach() async throws {
    try await withTmpfs { path in
      let user = try Descriptor.open("\(path)/file", O_RDWR | O_CREAT, mode: 0o600)
      #expect(throws: Errno.resourceBusy) { try Mount.unmount(path) }
      try Mount.unmount(path, flags: [.detach, .noFollow])
      #expect(try MountTable.read().visible(at: path) == nil)
      try user.writeAll([1, 2, 3])
    }
  }

  @Test("stacked mounts come off one by one, topmost first")
  func stacking() async throws {
    try await withTmpfs { path in
      try Self.write("\(path)/below")
      try Mount.mount(source: "above", target: path, type: "tmpfs")
      #expect(try MountTable.read().all(at: path).count == 2)
      #expect(try MountTable.read().visible(at: path)?.source == "above")
      #expect(access("\(path)/below", F_OK) == -1)
      try Mount.unmount(path)
      #expect(try MountTable.read().visible(at: path)?.source == "test")
      #expect(access("\(path)/below", F_OK) == 0)
    }
  }

  @Test("propagation can be made shared and private")
  func propagation() async throws {
    try await withTmpfs { path in
      try Mount.setPropagation(.shared, of: path)
      #expect(try MountTable.read().visible(at: path)?.sharedGroup != nil)
      try Mount.setPropagation(.private, of: path)
      #expect(try MountTable.read().visible(at: path)?.optionalFields == [])
      #expect(throws: Errno.invalidArgument) { try Mount.setPropagation(.shared, of: "/proc/self") }
    }
  }

  @Test("a mount moves with what it holds")
  func move() async throws {
    try await withTmpfs { path in
      let folders = try Self.makeFolders(path, "a", "b")
      try Mount.mount(source: "inner", target: folders[0], type: "tmpfs")
      try Self.write("\(folders[0])/file")
      try Mount.move(from: folders[0], to: folders[1])
      #expect(access("\(folders[1])/file", F_OK) == 0)
      #expect(try MountTable.read().visible(at: folders[0]) == nil)
    }
  }

  @Test("names with blanks, backslashes and newlines are found again in the table")
  func strangeNames() async throws {
    try await withTmpfs { path in
      let folder = try Self.makeFolders(path, "a b\\040\nc#ü")[0]
      try Mount.mount(source: "with blank", target: folder, type: "tmpfs")
      #expect(try MountTable.read().visible(at: folder)?.source == "with blank")
    }
  }

  @Test("a path with a NUL is refused before the kernel would cut it")
  func nul() {
    #expect(throws: Errno.invalidArgument) { try Mount.unmount("/tmp\0/x") }
    #expect(throws: Errno.invalidArgument) { try Mount.bind(from: "/tmp", to: "/tmp\0/x") }
  }

  @Test("an unknown file system type, an absent source and an absent target are told apart")
  func failures() async throws {
    try await withTmpfs { path in
      #expect(throws: Errno(rawValue: ENODEV)) { try Mount.mount(source: "x", target: path, type: "no-such-type") }
      #expect(throws: Errno.noSuchFileOrDirectory) { try Mount.bind(from: "\(path)/absent", to: path) }
      #expect(throws: Errno.noSuchFileOrDirectory) { try Mount.bind(from: path, to: "\(path)/absent") }
    }
  }

  @Test("mounts of a private namespace are not seen outside")
  func privacy() async throws {
    let folder = try TemporaryDirectory("private")
    try await PrivateMountNamespace.run {
      try Mount.mount(source: "secret", target: folder.path, type: "tmpfs")
      #expect(try MountTable.read().visible(at: folder.path) != nil)
      #expect(try MountTable.read(pid: getpid()).visible(at: folder.path) == nil)
    }
    #expect(try MountTable.read().visible(at: folder.path) == nil)
  }
}
