import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

@Suite("The mount table")
struct MountTableTests {
  /// (id, parent, mount point) of mounts that matter only by where they are.
  private func table(_ mounts: [(Int, Int, String)]) -> MountTable {
    MountTable(
      entries: mounts.map { id, parent, path in
        MountEntry(
          id: id, parentID: parent, major: 0, minor: UInt32(id), rootBytes: [0x2F], mountPointBytes: Array(path.utf8),
          options: "rw", optionalFields: [], type: "tmpfs", source: "t", superOptions: "rw")
      })
  }

  @Test("a mount is found at its path and not at paths that only begin like it")
  func exactPaths() {
    let table = table([(1, 0, "/"), (2, 1, "/a"), (3, 1, "/ab")])
    #expect(table.visible(at: "/a")?.id == 2)
    #expect(table.visible(at: "/a/")?.id == 2)
    #expect(table.visible(at: "/ab")?.id == 3)
    #expect(table.visible(at: "/abc") == nil)
    #expect(table.visible(at: "/a/b") == nil)
    #expect(table.visible(at: "/")?.id == 1)
  }

  @Test("the topmost of stacked mounts is the visible one, in whatever order the kernel lists them")
  func stacked() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
      let mounts = [(1, 0, "/"), (7, 1, "/a"), (5, 7, "/a"), (6, 5, "/a")]
      let table = table(order.map { mounts[$0] })
      #expect(table.visible(at: "/a")?.id == 6)
      #expect(Set(table.all(at: "/a").map(\.id)) == [5, 6, 7])
    }
  }

  @Test("a mount below a path that was mounted over is hidden")
  func hidden() {
    let table = table([(1, 0, "/"), (2, 1, "/a"), (3, 2, "/a/b"), (4, 2, "/a")])
    #expect(table.visible(at: "/a")?.id == 4)
    #expect(table.visible(at: "/a/b") == nil)
    #expect(table.all(at: "/a/b").map(\.id) == [3])
    #expect(table.containing("/a/b/c")?.id == 4)
  }

  @Test("the mount that holds a path is the deepest on the way")
  func containing() {
    let table = table([(1, 0, "/"), (2, 1, "/a"), (3, 2, "/a/b/c")])
    #expect(table.containing("/x")?.id == 1)
    #expect(table.containing("/a/b")?.id == 2)
    #expect(table.containing("/a/b/c/d")?.id == 3)
  }

  @Test("a root that is its own parent, as in a fresh namespace, is found")
  func selfParent() {
    let table = table([(1, 1, "/"), (2, 1, "/a")])
    #expect(table.visible(at: "/a")?.id == 2)
  }

  @Test("a table without a root mount, as in a chroot, still finds what is below")
  func chroot() {
    let table = table([(2, 1, "/a"), (3, 2, "/a/b")])
    #expect(table.visible(at: "/a/b")?.id == 3)
    #expect(table.containing("/x") == nil)
  }

  @Test("beneath lists the mount itself and those below it")
  func beneath() {
    let table = table([(1, 0, "/"), (2, 1, "/a"), (3, 2, "/a/b"), (4, 1, "/ab")])
    #expect(table.beneath("/a").map(\.id) == [2, 3])
    #expect(table.beneath("/").count == 4)
  }

  @Test(
    "a table read along a path gives the same answers for that path",
    arguments: ["/", "/proc", "/dev/shm", "/sys/fs/x"])
  func alongAPath(path: String) throws {
    let text = try WholeFile.read("/proc/self/mountinfo")
    let whole = MountTable(parsing: text)
    let part = MountTable(parsing: text, along: path)
    #expect(part.entries.count < whole.entries.count)
    #expect(part.visible(at: path) == whole.visible(at: path))
    #expect(part.containing(path) == whole.containing(path))
    #expect(part.all(at: path) == whole.all(at: path))
    #expect(try MountTable.read(along: path).visible(at: path)?.mountPoint == whole.visible(at: path)?.mountPoint)
  }

  @Test("a table along a path keeps stacked mounts and names with blanks, and no path that only begins like it")
  func alongAPathWithBlanks() {
    let text = """
      20 1 8:1 / / rw - ext4 /dev/a rw
      21 20 0:30 / /a\\040b rw - fuse.alluxio-fuse alluxio-fuse rw
      22 21 0:31 / /a\\040b rw - fuse.alluxio-fuse alluxio-fuse rw
      23 20 0:32 / /a\\040bc rw - tmpfs tmpfs rw
      garbage
      """
    let table = MountTable(parsing: Array(text.utf8), along: "/a b/")
    #expect(table.entries.map(\.id) == [20, 21, 22])
    #expect(table.visible(at: "/a b")?.id == 22)
  }

  @Test("the table of this process and of process 1 can be read")
  func real() throws {
    let own = try MountTable.read()
    #expect(own.visible(at: "/proc")?.type == "proc")
    #expect(own.visible(at: "/") != nil || own.containing("/") == nil)
    if Machine.isRoot { #expect(!(try MountTable.read(pid: 1)).entries.isEmpty) }
  }

  @Test("every line of the running system's table is understood")
  func noLineIsLost() throws {
    let text = try WholeFile.read("/proc/1/mountinfo")
    #expect(MountTable(parsing: text).entries.count == text.split(separator: 0x0A).count)
  }

  @Test("the table of a process that does not exist is an error")
  func absentProcess() {
    #expect(throws: Errno.noSuchFileOrDirectory) { try MountTable.read(pid: 0x3FFF_FFFF) }
  }
}
