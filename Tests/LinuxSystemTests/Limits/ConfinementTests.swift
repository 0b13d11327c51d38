import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// Each in a process of its own, since nothing of this can be taken back.
@Suite("A process that confines itself")
struct ConfinementTests {
  @Test("without programs and mounts it serves on, with the network until that goes, too", .requiresRoot)
  func filters() async {
    await #expect(processExitsWith: .success) {
      try ProcessAttributes.setNoNewPrivileges()
      try SystemCallFilter.denyAllButServing()
      #expect(throws: Errno.notPermitted) { try Mount.mount(source: "x", target: "/", type: "tmpfs") }
      let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      #expect(number >= 0)
      try SystemCallFilter.denySockets()
      #expect(socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) == -1)
      #expect(errno == EPERM)
      #expect(connect(number, nil, 0) == -1)
      #expect(errno == EPERM)
    }
  }

  @Test("a process that only fetches makes connections and takes none", .requiresRoot)
  func fetching() async {
    await #expect(processExitsWith: .success) {
      try ProcessAttributes.setNoNewPrivileges()
      try SystemCallFilter.denyAllButFetching()
      let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      #expect(number >= 0)
      #expect(listen(number, 1) == -1)
      #expect(errno == EPERM)
      #expect(chown("/dev/null", 1, 1) == -1)
      #expect(errno == EPERM)
    }
  }

  @Test("one that became another user has no way back, no capability and no readable memory", .requiresRoot)
  func identity() async {
    await #expect(processExitsWith: .success) {
      #expect(throws: Errno.invalidArgument) { try ProcessIdentity.become(uid: 0, gid: 5) }
      try ProcessIdentity.become(uid: 1_900_000_001, gid: 1_900_000_001)
      #expect(try Capabilities.effective() == [])
      #expect(setuid(0) == -1)
      #expect(geteuid() == 1_900_000_001)
      #expect(getegid() == 1_900_000_001)
      #expect(getgroups(0, nil) == 0)
      #expect(!ProcessAttributes.isDumpable)
      #expect(throws: Errno.notPermitted) { try ProcessIdentity.become(uid: 1, gid: 1) }
    }
  }

  @Test("files beyond those named cannot be reached, by root neither, nor relative to a descriptor", .requiresRoot)
  func files() async throws {
    let base = try TemporaryDirectory("restricted")
    for folder in ["pages", "read"] { try base.makeDirectory(folder) }
    try base.write("known", to: "read/file")
    try base.write("secret", to: "other")
    await #expect(processExitsWith: .success) { [path = base.path as String] in
      let pages = try Descriptor.open(path + "/pages", O_RDONLY | O_DIRECTORY)
      let above = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
      var restriction = FileRestriction()
      restriction.readable = [path + "/read", path + "/absent", "/proc"]
      restriction.writable = [pages.rawValue]
      try ProcessAttributes.setNoNewPrivileges()
      do throws(Errno) { try restriction.apply() } catch {
        return #expect(error == .noFunction || error == .notSupported)
      }
      #expect(try WholeFile.text(path + "/read/file") == "known")
      #expect(throws: Errno.permissionDenied) { try WholeFile.text(path + "/other") }
      #expect(openat(above.rawValue, "other", O_RDONLY) == -1)
      #expect(throws: Errno.permissionDenied) { try WholeFile.write("x", to: path + "/read/file") }
      try writeFile("page", path + "/pages/one")
      #expect(try WholeFile.text(path + "/pages/one") == "page")
      #expect(rename(path + "/pages/one", path + "/pages/two") == 0)
      #expect(truncate(path + "/pages/two", 0) == 0)
      #expect(symlink("/etc/passwd", path + "/pages/link") == -1)
      #expect(unlink(path + "/pages/two") == 0)
      withExtendedLifetime((pages.rawValue, above.rawValue)) {}
    }
    #expect(try DirectoryNames.list(base.path).sorted() == ["other", "pages", "read"])
  }
}

private func writeFile(_ text: String, _ path: String) throws {
  try Descriptor.open(path, O_WRONLY | O_CREAT, mode: 0o600).writeAll(Array(text.utf8))
}
