import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Copies of mounts", .requiresRoot)
struct MountCopyTests {
  /// Runs `body` in a private mount namespace with a folder on a shared mount.
  private func withSharedFolder(_ body: @escaping @Sendable (String) throws -> Void) async throws {
    let folder = try TemporaryDirectory("copy")
    try await PrivateMountNamespace.run {
      let shared = try folder.makeDirectory("shared")
      try Mount.mount(source: "test", target: shared, type: "tmpfs", data: "size=1m")
      try Mount.setPropagation(.shared, of: shared)
      for name in ["old", "new", "target", "scratch", "slave", "private", "peer"] {
        try folder.makeDirectory("shared/\(name)")
      }
      for name in ["old", "new"] {
        try Mount.mount(source: name, target: "\(shared)/\(name)", type: "tmpfs", data: "size=1m")
      }
      try body(shared)
    }
    #expect(try MountTable.read().beneath(folder.path).isEmpty, "the namespace leaked a mount")
  }

  private static func bind(_ source: String, to target: String, _ flags: LinuxSystem.MountFlags = []) throws -> Bool {
    try Mount.bind(from: source, to: try Descriptor.open(target, O_RDONLY | O_DIRECTORY), flags: flags)
  }

  private static func sources(_ path: String) throws -> [String] { try MountTable.read().all(at: path).map(\.source) }

  @Test("what covers a mount covers those that receive from it, with its flags, after the mount itself is gone")
  func spread() async throws {
    try await withSharedFolder { path in
      #expect(try Self.bind("\(path)/old", to: "\(path)/target"))
      for name in ["slave", "private", "peer"] { try Mount.bind(from: "\(path)/target", to: "\(path)/\(name)") }
      try Mount.setPropagation(.slave, of: "\(path)/slave")
      try Mount.setPropagation(.private, of: "\(path)/private")
      let former = try MountCopy(of: "\(path)/target")
      try Mount.unmount("\(path)/target")
      #expect(try Self.bind("\(path)/new", to: "\(path)/target", [.readOnly]))
      try former.spread(try MountCopy(of: "\(path)/target"), over: "\(path)/scratch")
      #expect(try Self.sources("\(path)/target") == ["new"])
      #expect(try Self.sources("\(path)/private") == ["old"])
      #expect(try Self.sources("\(path)/old") == ["old"])
      #expect(try Self.sources("\(path)/scratch").isEmpty)
      let table = try MountTable.read()
      for name in ["slave", "peer"] {
        #expect(table.all(at: "\(path)/\(name)").count == 2)
        #expect(table.visible(at: "\(path)/\(name)")?.source == "new")
        #expect(table.visible(at: "\(path)/\(name)")?.flags.contains(.readOnly) == true)
      }
    }
  }

  @Test("a bind on an open directory shares nothing with its source, and on a shared mount begins a peer group")
  func ownGroup() async throws {
    try await withSharedFolder { path in
      for name in ["target", "peer"] { #expect(try Self.bind("\(path)/old", to: "\(path)/\(name)")) }
      let table = try MountTable.read()
      let groups = ["old", "target", "peer"].map { table.visible(at: "\(path)/\($0)")?.sharedGroup }
      #expect(!groups.contains(nil) && Set(groups).count == 3)
    }
  }

  @Test("a copy that is given up leaves nothing, and one of what is not there is an error")
  func dropped() async throws {
    try await withSharedFolder { path in
      let before = try MountTable.read().entries
      _ = try MountCopy(of: "\(path)/old")
      #expect(try MountTable.read().entries == before)
      #expect(throws: Errno.noSuchFileOrDirectory) { _ = try MountCopy(of: "\(path)/absent") }
      let copies = (try MountCopy(of: "\(path)/old"), try MountCopy(of: "\(path)/new"))
      #expect(throws: Errno.noSuchFileOrDirectory) { try copies.0.spread(copies.1, over: "\(path)/absent") }
      #expect(try MountTable.read().entries == before)
    }
  }
}
