import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("Directories beneath an administrator's roots")
struct DirectoryRootsTests {
  private let folder: TemporaryDirectory
  private let root: String
  private let outside: String

  init() throws {
    folder = try TemporaryDirectory("roots")
    root = try folder.makeDirectory("root")
    outside = try folder.makeDirectory("outside")
    try folder.makeDirectory("root/data")
    try folder.makeDirectory("root-two")
  }

  private func link(_ name: String, to target: String) throws {
    let path = folder.appending(name)
    try Syscall.once { symlink(target, path) }
  }

  @Test("the root itself and what lies beneath it are opened, with their real path")
  func inside() throws {
    #expect(try DirectoryRoots.open(root, beneath: [root]).canonical == root)
    let opened = try DirectoryRoots.open("\(root)/./data/", beneath: [outside, root])
    #expect(opened.canonical == "\(root)/data")
    try folder.write("x", to: "root/data/file")
    #expect(try opened.directory.descriptor.open(at: "file", O_RDONLY).readToEnd() == [0x78])
  }

  @Test("everything lies beneath the root directory")
  func slash() throws {
    #expect(try DirectoryRoots.open(root, beneath: ["/"]).canonical == root)
  }

  @Test("a directory beside a root whose name only begins like it is outside")
  func sibling() {
    #expect(throws: DirectoryRoots.Failure.outsideRoots(canonical: "\(root)-two")) {
      _ = try DirectoryRoots.open("\(root)-two", beneath: [root])
    }
  }

  @Test("a link out of the root is judged by where it leads")
  func linkOut() throws {
    try link("root/escape", to: outside)
    #expect(throws: DirectoryRoots.Failure.outsideRoots(canonical: outside)) {
      _ = try DirectoryRoots.open("\(root)/escape", beneath: [root])
    }
    try link("root/up", to: "..")
    #expect(throws: DirectoryRoots.Failure.outsideRoots(canonical: outside)) {
      _ = try DirectoryRoots.open("\(root)/up/outside", beneath: [root])
    }
  }

  @Test("a path with dots that leaves the root is outside")
  func dots() {
    #expect(throws: DirectoryRoots.Failure.outsideRoots(canonical: outside)) {
      _ = try DirectoryRoots.open("\(root)/data/../../outside", beneath: [root])
    }
  }

  @Test("a link into the root, and a root that is a link, are resolved")
  func linkIn() throws {
    try link("entry", to: "\(root)/data")
    #expect(try DirectoryRoots.open(folder.appending("entry"), beneath: [root]).canonical == "\(root)/data")
    try link("root-link", to: root)
    #expect(
      try DirectoryRoots.open("\(root)/data", beneath: [folder.appending("root-link")]).canonical
        == "\(root)/data")
  }

  @Test("without roots nothing is opened, whatever exists")
  func noRoots() {
    #expect(throws: DirectoryRoots.Failure.noRootsConfigured) { _ = try DirectoryRoots.open(root, beneath: []) }
  }

  @Test("a root that does not exist allows nothing")
  func absentRoot() {
    #expect(throws: DirectoryRoots.Failure.outsideRoots(canonical: root)) {
      _ = try DirectoryRoots.open(root, beneath: [folder.appending("absent")])
    }
  }

  @Test("absent, a file, a circle of links and a NUL are told apart")
  func failures() throws {
    try folder.write("x", to: "root/file")
    try link("root/circle", to: "\(root)/circle")
    try link("root/dangling", to: "\(root)/nothing")
    func failure(_ path: String) -> DirectoryRoots.Failure? {
      do throws(DirectoryRoots.Failure) {
        _ = try DirectoryRoots.open(path, beneath: [root])
        return nil
      } catch {
        return error
      }
    }
    #expect(failure("\(root)/absent") == .absent)
    #expect(failure("\(root)/dangling") == .absent)
    #expect(failure("\(root)/file") == .notADirectory)
    #expect(failure("\(root)/file/below") == .notADirectory)
    #expect(failure("\(root)/circle") == .other(.tooManySymbolicLinkLevels))
    #expect(failure("\(root)\0/data") == .other(.invalidArgument))
  }

  @Test("a directory that may not be read is not permitted", .requiresRoot)
  func notPermitted() async throws {
    let closed = try folder.makeDirectory("root/closed", mode: 0)
    let root = root
    try Syscall.once { chmod(folder.path, 0o755) }
    try await OwnThread.run { () throws in
      // Of this thread only: without capabilities root is judged by the mode as everybody.
      try Capabilities.setEffective([])
      #expect(throws: DirectoryRoots.Failure.notPermitted) { _ = try DirectoryRoots.open(closed, beneath: [root]) }
    }
  }

  @Test("a swap of the path after the check changes nothing for the opened directory")
  func swap() throws {
    let opened = try DirectoryRoots.open("\(root)/data", beneath: [root])
    try Syscall.once { rename("\(root)/data", "\(root)/moved") }
    try link("root/data", to: outside)
    #expect(try opened.directory.descriptor.path() == "\(root)/moved")
  }
}
