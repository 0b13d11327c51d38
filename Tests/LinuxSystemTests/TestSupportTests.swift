import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("What the tests stand on")
struct TestSupportTests {
  @Test(
    "the build folder holds the products of the package", arguments: ["alluxio-csi", "alluxio-mounter", "alluxio-fuse"])
  func products(name: String) throws {
    #expect(access(try builtProduct(name), X_OK) == 0)
    #expect(access("\(BuildFolder.sources())/Package.swift", R_OK) == 0)
  }

  @Test("a product that was not built is an error")
  func absentProduct() {
    #expect(throws: Errno.noSuchFileOrDirectory) { try builtProduct("no-such-product") }
  }

  @Test("the same seed gives the same numbers")
  func seeds() {
    var (a, b, c) = (SeededGenerator(seed: 1), SeededGenerator(seed: 1), SeededGenerator(seed: 2))
    #expect(a.bytes(count: 32) == b.bytes(count: 32))
    #expect(a.next() != c.next())
  }

  @Test("a leak of a memfd, a socket and a child is told", .requiresRoot)
  func leaks() async {
    await #expect(processExitsWith: .success) {
      let before = try LeakSnapshot(mountsBeneath: nil)
      #expect(before.leaks(since: before).isEmpty)
      let memfd = try Memfd.create(name: "leak")
      // More than the runtime of the language closes meanwhile of its own.
      let events = try (0..<8).map { _ in KeptEvent(try EventFD()) }
      var spawn = Spawn(executable: "/bin/cat", arguments: ["cat"])
      let input = try Pipe()
      spawn.descriptors[0] = input.reader.rawValue
      let child = try spawn.start()
      let after = try LeakSnapshot(mountsBeneath: nil)
      let leaks = after.leaks(since: before)
      #expect(leaks.contains("1 × descriptor /memfd:leak (deleted)"))
      #expect(leaks.contains { $0.hasPrefix("child \(child.pid) ") })
      #expect(leaks.contains { $0.hasSuffix(" × descriptor pipe") })
      #expect(leaks.contains { $0.hasSuffix(" × descriptor anon_inode:[eventfd]") })
      #expect(after.memfds.count == before.memfds.count + 1)
      try child.signal(SIGKILL)
      _ = try child.wait()
      #expect(memfd.rawValue >= 0 && events.count == 8 && input.writer != nil)
    }
  }

  @Test("the appearance of a file is waited for")
  func untilExists() async throws {
    let folder = try TemporaryDirectory("waiting")
    let path = folder.appending("file")
    async let appeared: Void = OwnThread.run { try Waiting.untilExists(path) }
    try folder.write("x", to: "file")
    try await appeared
  }

  @Test("a change of the mount table is waited for", .requiresRoot)
  func untilMounts() async throws {
    let folder = try TemporaryDirectory("waiting")
    try await PrivateMountNamespace.run {
      try Mount.mount(source: "x", target: folder.path, type: "tmpfs")
      try Waiting.untilMounts { $0.visible(at: folder.path) != nil }
      try Mount.unmount(folder.path)
      try Waiting.untilMounts { $0.visible(at: folder.path) == nil }
    }
  }
}

/// An event that lives as long as somebody refers to it.
private final class KeptEvent: Sendable {
  private let event: EventFD
  init(_ event: consuming EventFD) { self.event = event }
}
