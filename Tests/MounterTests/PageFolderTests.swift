import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

@Suite("The page folder of a worker key")
struct PageFolderTests {
  let root: TemporaryDirectory
  let store: String
  let key = WorkerKey(volumeID: "data")

  init() throws {
    root = try TemporaryDirectory("pages")
    store = root.appending("node/pages")
  }

  /// - Parameter count: of users.
  private func folder(_ key: WorkerKey? = nil, count: UInt32 = 65_536) -> PageFolder {
    PageFolder(of: key ?? self.key, in: store, users: 1_900_000_000..<(1_900_000_000 + count))
  }

  private var path: String { "\(store)/\(key.name)" }

  private func owner(_ path: String) throws -> FileStatus {
    try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).status()
  }

  private func refusal(_ folder: PageFolder) -> String? {
    do throws(MounterError) {
      _ = try folder.open()
      return nil
    } catch {
      return error.description
    }
  }

  @Test("it is made with all above it, for a user of its own, and nobody else may look into it", .requiresRoot)
  func made() throws {
    let opened = try folder().open()
    let status = try opened.descriptor.status()
    #expect((1_900_000_000..<1_900_065_536).contains(status.uid))
    #expect(status.gid == status.uid)
    #expect(status.mode & 0o7777 == 0o700)
    #expect(try owner(store).mode & 0o7777 == 0o700)
    for part in ["pages", "spools"] {
      let inner = try owner("\(path)/\(part)")
      #expect(inner.uid == status.uid)
      #expect(inner.gid == status.uid)
      #expect(inner.mode & 0o7777 == 0o700)
    }
  }

  @Test("a later mount finds the same folder, of the same user, with what was kept in it", .requiresRoot)
  func found() throws {
    let first = try folder().open().descriptor.status()
    try root.write("page", to: "node/pages/\(key.name)/pages/one")
    let second = try folder().open().descriptor.status()
    #expect(second.inode == first.inode)
    #expect(second.uid == first.uid)
    #expect(try WholeFile.text("\(path)/pages/one") == "page")
    // Its own record, whatever the range is now.
    #expect(refusal(PageFolder(of: key, in: store, users: 5..<6))?.contains("no worker's: remove it") == true)
  }

  @Test("no two folders have one user, however few users there are", .requiresRoot)
  func distinct() throws {
    var users: Set<UInt32> = []
    for number in 0..<4 {
      users.insert(try folder(WorkerKey(volumeID: "v\(number)"), count: 4).open().descriptor.status().uid)
    }
    #expect(users == Set(1_900_000_000..<1_900_000_004))
    #expect(refusal(folder(WorkerKey(volumeID: "more"), count: 4))?.contains("--worker-users") == true)
    // Who is there already needs no new one.
    #expect(refusal(folder(WorkerKey(volumeID: "v2"), count: 4)) == nil)
  }

  @Test("mounts that begin at once have users of their own", .requiresRoot)
  func atOnce() async throws {
    let users = try await withThrowingTaskGroup(of: UInt32.self) { group in
      for number in 0..<16 {
        let folder = folder(WorkerKey(volumeID: "v\(number)"), count: 16)
        group.addTask { try await OwnThread.run { try folder.open().descriptor.status().uid } }
      }
      return try await group.reduce(into: Set<UInt32>()) { $0.insert($1) }
    }
    #expect(users.count == 16)
  }

  @Test("a start that was interrupted at any step is gone on with", .requiresRoot, arguments: 0..<4)
  func interrupted(_ step: Int) throws {
    try Folder.makeAll(path)
    if step > 0 { try Folder.make("\(path)/pages") }
    if step > 1 { try Folder.make("\(path)/spools") }
    if step > 2 { try Syscall.once { chown("\(path)/pages", 1_900_000_007, 1_900_000_007) } }
    // Had it got a user already, that may be another than the one that is chosen now.
    #expect(refusal(folder()) == nil)
    for part in ["pages", "spools"] { #expect(try owner("\(path)/\(part)").uid == owner(path).uid) }
  }

  @Test("a link, a file or a folder of somebody else in its place is refused and not touched", .requiresRoot)
  func foreign() throws {
    let victim = try root.makeDirectory("victim", mode: 0o755)
    try Folder.makeAll(store)
    try Syscall.once { symlink(victim, path) }
    #expect(refusal(folder())?.contains("remove it") == true)
    #expect(try DirectoryNames.list(victim).isEmpty)
    #expect(try owner(victim).uid == 0)
    try Syscall.once { unlink(path) }

    try root.write("", to: "node/pages/\(key.name)")
    #expect(refusal(folder())?.contains("remove it") == true)
    try Syscall.once { unlink(path) }

    try Folder.make(path)
    try root.write("", to: "node/pages/\(key.name)/data")
    #expect(refusal(folder())?.contains("which no mounter has made: remove it") == true)
    try Syscall.once { chown(path, 12, 12) }
    #expect(refusal(folder())?.contains("belongs to user 12, no worker's: remove it") == true)
    #expect(try owner(path).uid == 12)
  }

  @Test("what a worker puts in the place of its parts leads nowhere", .requiresRoot)
  func planted() throws {
    let user = try folder().open().descriptor.status().uid
    let victim = try root.makeDirectory("victim")
    try Folder.removeEmpty("\(path)/pages")
    try Syscall.once { symlink(victim, "\(path)/pages") }
    #expect(refusal(folder())?.contains("making \(path)/pages") == true)
    #expect(try owner(victim).uid == 0)
    try Syscall.once { unlink("\(path)/pages") }
    try Folder.removeEmpty("\(path)/spools")
    // Removed, they are made again.
    #expect(refusal(folder()) == nil)
    for part in ["pages", "spools"] { #expect(try owner("\(path)/\(part)").uid == user) }
  }

  @Test("two folders of one user, as a copy of one makes them, are refused until one is removed", .requiresRoot)
  func copied() throws {
    let user = try folder().open().descriptor.status().uid
    let other = WorkerKey(volumeID: "other")
    _ = try folder(other).open()
    try Syscall.once { chown("\(store)/\(other.name)", user, user) }
    #expect(refusal(folder())?.contains("remove one of both") == true)
    TemporaryDirectory.removeTree("\(store)/\(other.name)")
    #expect(refusal(folder()) == nil)
  }

  @Test("a store that others may write to is refused, and permissions that were widened are set right", .requiresRoot)
  func open() throws {
    try Folder.makeAll(store)
    try Syscall.once { chmod(store, 0o777) }
    #expect(refusal(folder())?.contains("a folder of its own") == true)
    try Syscall.once { chmod(store, 0o755) }
    _ = try folder().open()
    try Syscall.once { chmod(path, 0o777) }
    _ = try folder().open()
    #expect(try owner(path).mode & 0o7777 == 0o700)
  }

  @Test("a disk that takes nothing is named with what was wanted of it", .requiresRoot)
  func failing() throws {
    #expect(
      refusal(PageFolder(of: key, in: "/proc/nowhere", users: 5..<6))?.hasPrefix("making the page store /proc") == true)
  }
}
