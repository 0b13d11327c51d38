import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import LinuxSystem

/// The border to the kernel's file system calls: arguments arrive, errors come back as they are.
@Suite("file system calls", .requiresRoot)
final class FileCallsTests {
  let directory: TemporaryDirectory
  let root: Descriptor

  init() throws {
    directory = try TemporaryDirectory("calls")
    root = try Descriptor.open(directory.path, O_RDONLY | O_DIRECTORY)
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
  private static let path: CInt = 0o10000000

  @Test("a handle finds its file after a rename and is stale after its removal")
  func handles() throws {
    let file = try root.open(name: bytes("a"), O_RDWR | O_CREAT, mode: 0o600)
    let (handle, mount) = try file.fileHandle()
    #expect(mount == (try root.fileHandle()).mountID)
    #expect(handle.length > 0)
    #expect(handle.length <= FileHandle.maximumLength)
    try root.rename(name: bytes("a"), to: root, name: bytes("b"), flags: 0)
    #expect(try root.open(handle, O_RDONLY).status().inode == (try file.status()).inode)
    try file.close()
    try root.remove(name: bytes("b"), directory: false)
    // A process that another test starts may keep it open until it has its own program.
    let end = Deadline.after(.seconds(60))
    while (try? root.open(handle, O_RDONLY).close()) != nil, !end.hasPassed { sched_yield() }
    #expect(throws: Errno.staleNFSFileHandle) { _ = try root.open(handle, O_RDONLY) }
  }

  @Test("a removed file's handle is stale also while its inode number is given to another file")
  func reusedNumbers() async throws {
    // Found where tests beside made files: open_by_handle_at(2) said ENOMEM, once in some hundred calls.
    let directory = directory.path
    async let errors = OwnThread.run { () throws -> [Errno] in
      let root = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
      let name = Array("mine".utf8) + [0]
      return try (0..<500).flatMap { _ in
        let file = try root.open(name: name, O_RDWR | O_CREAT, mode: 0o600)
        let handle = try file.fileHandle().handle
        try file.close()
        try root.remove(name: name, directory: false)
        return (0..<20).compactMap { _ in
          do throws(Errno) { try root.open(handle, O_RDONLY).close() } catch { return error }
          return nil
        }
      }
    }
    async let others: Void = OwnThread.run {
      let root = try Descriptor.open(directory, O_RDONLY | O_DIRECTORY)
      for _ in 0..<5_000 {
        try root.open(name: Array("other".utf8) + [0], O_RDWR | O_CREAT, mode: 0o600).close()
        try root.remove(name: Array("other".utf8) + [0], directory: false)
      }
    }
    let (found, _) = try await (errors, others)
    // A process that another test starts may keep one open until it has its own program.
    #expect(found.count > 5_000)
    #expect(found.filter { $0 != .staleNFSFileHandle } == [])
  }

  @Test("a path resolved beneath a directory does not leave it")
  func beneath() throws {
    try directory.makeDirectory("d")
    symlink("..", directory.appending("d/up"))
    symlink("/etc", directory.appending("d/etc"))
    let inner = try root.open(name: bytes("d"), O_RDONLY | O_DIRECTORY)
    for path in ["..", "../d", "up", "etc/passwd", "/etc/passwd"] {
      #expect(throws: Errno.improperLink) {
        _ = try inner.open(path: bytes(path), O_RDONLY, resolve: .beneath)
      }
    }
    #expect(throws: Errno.tooManySymbolicLinkLevels) {
      _ = try root.open(path: bytes("d/up/d"), O_RDONLY, resolve: [.beneath, .noSymlinks])
    }
    _ = try root.open(path: bytes("d/up/d"), O_RDONLY, resolve: .beneath)
  }

  @Test("an unnamed file gets its name when it is linked, and only a free one")
  func unnamed() throws {
    let file = try root.openUnnamedFile(mode: 0o640)
    #expect(try file.status().linkCount == 0)
    try file.link(into: root, name: bytes("f"))
    #expect(try file.status().linkCount == 1)
    let other = try root.openUnnamedFile(mode: 0o640)
    #expect(throws: Errno.fileExists) { try other.link(into: root, name: bytes("f")) }
  }

  @Test("an O_PATH descriptor can be read about, changed and reopened")
  func pathDescriptors() throws {
    try directory.write("text", to: "f")
    symlink("f", directory.appending("s"))
    let file = try root.open(name: bytes("f"), Self.path | O_NOFOLLOW)
    try file.changeMode(0o4711)
    try file.changeOwner(uid: 12, gid: nil)
    try file.changeTimes(access: .at(-1), modification: .unchanged)
    let status = try file.status()
    #expect(status.mode & 0o7777 == 0o711)
    #expect(status.uid == 12)
    #expect(status.gid == 0)
    #expect(status.accessTime == -1)
    try file.truncatePath(to: 2)
    #expect(try file.reopen(O_RDONLY).readToEnd() == Array("te".utf8))
    let link = try root.open(name: bytes("s"), Self.path | O_NOFOLLOW)
    #expect(try link.readLink() == Array("f".utf8))
    #expect(throws: (any Error).self) { try file.readLink() }
    try link.changeOwner(uid: 13, gid: 14)
    #expect(try root.status(name: bytes("s")).uid == 13)
    #expect(try file.status().uid == 12)
  }

  @Test("directory entries come with the cookies that a second reader can start from")
  func directoryReader() throws {
    for index in 0..<1000 { try directory.write("", to: "entry-with-a-long-name-\(index)") }
    var reader = try DirectoryReader(try root.open(name: bytes("."), O_RDONLY | O_DIRECTORY), from: 0)
    var cookies: [UInt64] = []
    var names: [[UInt8]] = []
    let end = try reader.forEach { (name, inode, type, cookie) throws(Errno) in
      names.append((0..<name.count).map { name[$0] })
      cookies.append(cookie)
      return inode != 0
    }
    #expect(end)
    #expect(names.count == 1002)
    #expect(names.allSatisfy { $0.last == 0 })
    let middle = cookies[500]
    var second = try DirectoryReader(try root.open(name: bytes("."), O_RDONLY | O_DIRECTORY), from: middle)
    var rest: [[UInt8]] = []
    _ = try second.forEach { (name, _, _, _) throws(Errno) in
      rest.append((0..<name.count).map { name[$0] })
      return true
    }
    #expect(rest == Array(names[501...]))
  }

  @Test("an entry that is not taken comes again")
  func untakenEntry() throws {
    try directory.write("", to: "f")
    var reader = try DirectoryReader(try root.open(name: bytes("."), O_RDONLY | O_DIRECTORY), from: 0)
    var offered = 0
    #expect(
      try !reader.forEach { (_, _, _, _) throws(Errno) in
        offered += 1
        return false
      })
    #expect(reader.position == 0)
    _ = try reader.forEach { (_, _, _, _) throws(Errno) in
      offered += 1
      return true
    }
    #expect(offered == 4)
  }

  @Test("credentials are those of one thread, for the time of a call, also when it fails")
  func credentials() async throws {
    let path = directory.path
    try root.changeMode(0o777)
    try await OwnThread.run {
      let root = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
      let file = try ThreadCredentials.perform(uid: 1000, gid: 1001, umask: 0o077) { () throws(Errno) in
        try root.openUnnamedFile(mode: 0o666)
      }
      let status = try file.status()
      #expect(status.uid == 1000)
      #expect(status.gid == 1001)
      #expect(status.mode & 0o777 == 0o600)
      #expect(throws: Errno.permissionDenied) {
        try ThreadCredentials.perform(uid: 1000, gid: 1000) { () throws(Errno) in
          _ = try Descriptor.open("/etc/shadow", O_RDONLY)
        }
      }
      _ = try Descriptor.open("/etc/shadow", O_RDONLY)
      #expect(try root.openUnnamedFile(mode: 0o600).status().uid == 0)
      let asRoot = try ThreadCredentials.perform(uid: 0, gid: 0, umask: 0) { () throws(Errno) in
        try root.openUnnamedFile(mode: 0o666)
      }
      #expect(try asRoot.status().mode & 0o777 == 0o666)
    }
    // Another thread never had them.
    #expect(try root.openUnnamedFile(mode: 0o600).status().uid == 0)
  }

  @Test(
    "supplementary groups are read from a process's status",
    arguments: [
      ("Name:\tx\nGroups:\t0 4 1000 \nNgid:\t0\n", [UInt32(0), 4, 1000]), ("Groups:\t \n", []), ("Name:\tx\n", nil),
      ("Name:\tGroups:\nGroups:\t7\n", [7]),
    ] as [(String, [UInt32]?)])
  func groups(text: String, expected: [UInt32]?) {
    #expect(ThreadCredentials.parseGroups(Array(text.utf8)) == expected)
    #expect(ThreadCredentials.groups(ofProcess: 0) == nil)
    #expect(ThreadCredentials.groups(ofProcess: getpid()) != nil)
  }

  @Test("extended attributes larger than the first buffer are read whole")
  func extendedAttributes() throws {
    let file = try root.openUnnamedFile(mode: 0o600)
    let value = [UInt8](repeating: 3, count: 3500)
    try file.setExtendedAttribute(bytes("user.large"), to: value, flags: 0)
    #expect(try file.extendedAttribute(bytes("user.large")) == value)
    #expect(try file.extendedAttributeNames() == bytes("user.large"))
    try file.removeExtendedAttribute(bytes("user.large"))
    #expect(throws: Errno.noData) { try file.extendedAttribute(bytes("user.large")) }
  }

  @Test("times before 1970 and at the ends of 64 bits survive the way to nanoseconds and back")
  func nanoseconds() {
    for time: Int64 in [
      0, 1, -1, -1_000_000_000, -1_000_000_001, .max, .min + 1_000_000_000, 1_700_000_000_123_456_789,
    ] {
      #expect(timespec(nanoseconds: time).nanoseconds == time)
    }
    #expect(timespec(tv_sec: Int.max, tv_nsec: 0).nanoseconds == .max)
    #expect(timespec(tv_sec: Int.min, tv_nsec: 0).nanoseconds == .min)
  }
}
