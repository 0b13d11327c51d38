import Glibc
import SystemPackage
import TestSupport
import Testing

@testable import LinuxSystem

/// The unified hierarchy as the kernel has it, with whatever controllers it has there.
@Suite("Cgroups of a real unified hierarchy", .serialized, .requiresUnifiedCgroups)
struct UnifiedCgroupTests {
  /// A cgroup of the test, removed with what is in it.
  private static func use(_ body: (MemoryCgroup) throws -> Void) throws {
    let cgroup = try TestCgroup()
    defer { cgroup.remove() }
    try body(MemoryCgroup(folder: cgroup.folder, version: .v2))
  }

  private static func sleeper() throws -> PidFD {
    try Spawn(executable: "/bin/sleep", arguments: ["sleep", "1000"]).start()
  }

  @Test("a leaf takes a process, is found by it, cannot be removed while it lives, and can when it is gone")
  func leaf() throws {
    try Self.use { parent in
      let leaf = parent.child("leaf")
      try leaf.make()
      let process = try Self.sleeper()
      try leaf.add(pid: process.pid)
      #expect(try leaf.pids() == [process.pid] && parent.pids().isEmpty)
      let membership = try WholeFile.text("/proc/\(process.pid)/cgroup")
      #expect(MemoryCgroup.find(in: try MountTable.read(), membership: membership, version: .v2) == leaf)
      #expect(throws: Errno.resourceBusy) { try leaf.remove() }
      try process.signal(SIGKILL)
      _ = try Waiting.untilEnded(process)
      try leaf.remove()
      try leaf.remove()
      #expect(access(leaf.folder, F_OK) != 0)
    }
  }

  @Test("a controller is handed down once own processes have moved into a leaf, and not past others")
  func delegation() throws {
    try Self.use { parent in
      let text = try WholeFile.text("\(parent.folder)/cgroup.controllers")
      guard let controller = text.split(whereSeparator: { $0 == " " || $0 == "\n" }).first.map(String.init) else {
        return
      }
      #expect(throws: Errno.operationNotSupportedByDevice) { try parent.delegate("nonsense", movingOwn: [], to: "own") }
      let (own, other) = (try Self.sleeper(), try Self.sleeper())
      for process in [own, other] { try parent.add(pid: process.pid) }
      #expect(throws: Errno.resourceBusy) { try parent.delegate(controller, movingOwn: [own.pid], to: "own") }
      #expect(try Set(parent.pids()) == [own.pid, other.pid])
      try other.signal(SIGKILL)
      _ = try Waiting.untilEnded(other)
      try parent.delegate(controller, movingOwn: [own.pid], to: "own")
      #expect(try parent.pids().isEmpty && parent.child("own").pids() == [own.pid])
      #expect(try WholeFile.text("\(parent.folder)/cgroup.subtree_control").contains(controller))
      // A second mounter finds it done.
      try parent.delegate(controller, movingOwn: [], to: "own")
      try own.signal(SIGKILL)
      _ = try Waiting.untilEnded(own)
    }
  }
}
