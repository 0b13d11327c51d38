import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import CSIDriver

@Suite("Loading a volume into the page store")
struct WarmUpTests {
  private static func root(_ folder: TemporaryDirectory) throws -> SharedDescriptor {
    SharedDescriptor(try Descriptor.open(folder.path, O_RDONLY | O_DIRECTORY))
  }

  private static func tree() throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory("warm")
    for directory in ["a", "a/b", "c"] { _ = try folder.makeDirectory(directory) }
    for (name, size) in [("one", 1), ("a/two", 3_000_000), ("a/b/three", 1 << 20), ("c/empty", 0)] {
      _ = try folder.write(String(repeating: "x", count: size), to: name)
    }
    return folder
  }

  private static func warm(
    _ root: SharedDescriptor, _ path: String = "", readers: Int = 3
  ) async throws -> WarmUp.Progress {
    try await OwnThread.run {
      try WarmUp(root: root, path: path, readers: readers).run(every: .seconds(10)) { _ in }
    }
  }

  @Test("all files of a tree are counted and read")
  func whole() async throws {
    let folder = try Self.tree()
    let end = try await Self.warm(Self.root(folder))
    #expect(end.files == 4)
    #expect(end.filesDone == 4)
    #expect(end.bytes == 1 + 3_000_000 + (1 << 20))
    #expect(end.bytesDone == end.bytes)
    #expect(end.failures == 0)
  }

  @Test("a path is a directory or a file", arguments: [("a", 2), ("/a/b/", 1), ("a/two", 1), ("./c", 1)])
  func part(path: String, files: Int) async throws {
    let folder = try Self.tree()
    let end = try await Self.warm(Self.root(folder), path)
    #expect(end.files == files)
    #expect(end.filesDone == files)
  }

  @Test("a path that is not there is said, not passed over")
  func absent() async throws {
    let folder = try Self.tree()
    let end = try await Self.warm(Self.root(folder), "a/none")
    #expect(end.failures == 1)
    #expect(end.firstFailures.first?.hasPrefix("a/none: ") == true)
  }

  @Test("symlinks lead nowhere, and nothing outside is read")
  func links() async throws {
    let folder = try Self.tree()
    let outside = try Self.tree()
    #expect(symlink(outside.path, "\(folder.path)/out") == 0)
    #expect(symlink("\(outside.path)/one", "\(folder.path)/file") == 0)
    let end = try await Self.warm(Self.root(folder))
    #expect(end.files == 4)
    #expect(try await Self.warm(Self.root(folder), "out").files == 0)
    #expect(try await Self.warm(Self.root(folder), "../\(outside.path.split(separator: "/").last ?? "")").files == 0)
  }

  @Test("more files than the queue takes at a time, in a name of any bytes")
  func many() async throws {
    let folder = try TemporaryDirectory("warm")
    let root = try Self.root(folder)
    // No text: whoever removes the folder by name does not find them.
    let names = (0..<3_000).map { Array("f\($0)".utf8) + [0xFF, 0] }
    defer { for name in names { try? root.descriptor.remove(name: name, directory: false) } }
    for name in names {
      let file = try root.descriptor.open(name: name, O_CREAT | O_WRONLY, mode: 0o644)
      try file.writeAll([1])
    }
    let end = try await Self.warm(root, readers: 2)
    #expect(end.filesDone == 3_000)
    #expect(end.bytesDone == 3_000)
  }

  @Test("what is kept on the node already is passed over")
  func kept() async throws {
    let folder = try Self.tree()
    let file = try Descriptor.open("\(folder.path)/a/two", O_RDONLY)
    let name = Array(WarmUp.keptAttribute.utf8) + [0]
    do throws(Errno) { try file.setExtendedAttribute(name, to: Array("3000000".utf8), flags: 0) } catch {
      // The file system of temporary files has no such attributes.
      #expect(error == .notSupported)
      return
    }
    let end = try await Self.warm(Self.root(folder))
    #expect(end.bytesKept == 3_000_000)
    #expect(end.bytesDone == end.bytes)
    #expect(end.filesDone == 4)
  }

  @Test("what a person reads: counting, the rate of what had to be fetched, what is left")
  func words() {
    var progress = WarmUp.Progress()
    (progress.files, progress.bytes) = (12, 3 << 30)
    #expect(progress.line(seconds: 1, bar: 20) == "counting: 12 files, 3.0 GiB")
    progress.isCounted = true
    (progress.filesDone, progress.bytesDone, progress.bytesKept) = (5, 3 << 29, 1 << 29)
    #expect(
      progress.line(seconds: 10, bar: 10)
        == "[#####-----]  50 %  5/12 files  1.5 GiB/3.0 GiB  512.0 MiB were there  102.4 MiB/s  0:15 left")
    (progress.filesDone, progress.bytesDone, progress.failures) = (11, 3 << 30, 1)
    #expect(
      progress.line(seconds: 10, bar: 0)
        == "100 %  11/12 files  3.0 GiB/3.0 GiB  512.0 MiB were there  256.0 MiB/s  1 failed")
    #expect(WarmUp.Progress().line(seconds: 0, bar: 0) == "counting: 0 files, 0 B")
  }
}
