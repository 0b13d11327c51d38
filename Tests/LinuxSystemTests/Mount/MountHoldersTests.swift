import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Who holds a mount", .requiresRoot)
struct MountHoldersTests {
  /// Starts a process that lives until its input closes, and finds out who holds the mount at `path` meanwhile.
  private static func holders(
    of path: String, executable: String = "/bin/sh", arguments: [String], in folder: String = "/"
  ) throws -> (pid: Int32, found: [ProcessReference]) {
    var pipe = try Pipe()
    let answer = try Pipe()
    var spawn = Spawn(executable: executable, arguments: arguments)
    spawn.descriptors = [0: pipe.reader.rawValue, 1: answer.writerNumber]
    spawn.workingDirectory = folder
    let child = try spawn.start()
    // It has done all it does before it copies its pipe.reader.
    try pipe.writer?.descriptor.writeAll([0x0A])
    try Waiting.untilReadable(answer.reader.descriptor)
    let entry = try #require(try MountTable.read().visible(at: path))
    let found = try MountHolders.find(entry)
    pipe.closeWriter()
    _ = try Waiting.untilEnded(child)
    return (child.pid, found)
  }

  private func withTmpfs(_ body: @escaping @Sendable (String) throws -> Void) async throws {
    let folder = try TemporaryDirectory("holders")
    try await PrivateMountNamespace.run {
      try Mount.mount(source: "test", target: folder.path, type: "tmpfs")
      try body(folder.path)
    }
  }

  @Test("nobody holds a fresh mount")
  func nobody() async throws {
    try await withTmpfs { path in
      let entry = try #require(try MountTable.read().visible(at: path))
      #expect(try MountHolders.find(entry).isEmpty)
    }
  }

  @Test("a process that works in it is named with its command")
  func workingDirectory() async throws {
    try await withTmpfs { path in
      let (pid, found) = try Self.holders(of: path, arguments: ["sh", "-c", "exec cat"], in: path)
      #expect(found == [ProcessReference(pid: pid, command: "cat", use: .workingDirectory)])
      #expect(found.first?.description == "cat (pid \(pid), working directory)")
    }
  }

  @Test("a process with an open file, even a deleted one, is named")
  func openFile() async throws {
    try await withTmpfs { path in
      let script = "exec 5>\(path)/file; rm \(path)/file; exec cat"
      let (pid, found) = try Self.holders(of: path, arguments: ["sh", "-c", script])
      #expect(found == [ProcessReference(pid: pid, command: "cat", use: .openFile)])
    }
  }

  @Test("a process that runs a program of it is named")
  func mappedFile() async throws {
    try await withTmpfs { path in
      let cat = try Descriptor.open("/bin/cat", O_RDONLY).readToEnd()
      let copy = try Descriptor.open("\(path)/mycat", O_WRONLY | O_CREAT, mode: 0o755)
      try copy.writeAll(cat)
      try copy.close()
      let (pid, found) = try Self.holders(of: path, executable: "\(path)/mycat", arguments: ["mycat"])
      #expect(found == [ProcessReference(pid: pid, command: "mycat", use: .mappedFile)])
    }
  }

  @Test("a process that uses another mount beneath it is not named")
  func mountBeneath() async throws {
    try await withTmpfs { path in
      try Syscall.once { mkdir("\(path)/inner", 0o755) }
      try Mount.mount(source: "inner", target: "\(path)/inner", type: "tmpfs")
      let (_, found) = try Self.holders(of: path, arguments: ["sh", "-c", "exec cat"], in: "\(path)/inner")
      #expect(found.isEmpty)
    }
  }
}
