import SystemPackage
import TestSupport
import Testing

@testable import LinuxSystem

@Suite("Cgroups of the memory controller")
struct MemoryCgroupTests {
  private static func table(_ lines: String...) -> MountTable {
    MountTable(parsing: Array(lines.joined(separator: "\n").utf8))
  }

  private static let v1 = "30 20 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
  private static let v2 = "31 20 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"

  @Test("the v1 hierarchy is used where it has the memory controller, beside a unified one without")
  func hybrid() {
    let found = MemoryCgroup.find(in: Self.table(Self.v1, Self.v2), membership: "4:memory:/pod/x\n1:cpu:/\n0::/\n")
    #expect(found == MemoryCgroup(folder: "/sys/fs/cgroup/memory/pod/x", version: .v1))
  }

  @Test("the unified hierarchy is used where there is no other, and its root is the mount itself")
  func unified() {
    let found = MemoryCgroup.find(in: Self.table(Self.v2), membership: "0::/\n")
    #expect(found == MemoryCgroup(folder: "/sys/fs/cgroup/unified", version: .v2))
  }

  @Test("a mount that shows a part of the hierarchy shows a cgroup under a shorter path, and none outside of that part")
  func part() {
    let mount = "31 20 0:26 /pods/a /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
    #expect(MemoryCgroup.find(in: Self.table(mount), membership: "0::/pods/a/b\n")?.folder == "/sys/fs/cgroup/b")
    #expect(MemoryCgroup.find(in: Self.table(mount), membership: "0::/pods/a\n")?.folder == "/sys/fs/cgroup")
    #expect(MemoryCgroup.find(in: Self.table(mount), membership: "0::/pods/ab\n") == nil)
  }

  @Test("without a mounted hierarchy there is no cgroup")
  func none() {
    #expect(MemoryCgroup.find(in: Self.table(), membership: "4:memory:/x\n0::/\n") == nil)
    #expect(MemoryCgroup.find(in: Self.table(), membership: "nonsense") == nil)
  }

  @Test("in the unified hierarchy a limit is for memory without swap, and kills are read from the events")
  func unifiedFiles() throws {
    let folder = try TemporaryDirectory("cgroup")
    for file in ["memory.max", "memory.swap.max", "cgroup.procs"] { try folder.write("", to: file) }
    try folder.write("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\n", to: "memory.events")
    let cgroup = MemoryCgroup(folder: folder.path, version: .v2)
    try cgroup.setLimit(bytes: 4096)
    try cgroup.add(pid: 17)
    #expect(try WholeFile.text("\(folder.path)/memory.max") == "4096")
    #expect(try WholeFile.text("\(folder.path)/memory.swap.max") == "0")
    #expect(try cgroup.pids() == [17])
    #expect(try cgroup.outOfMemory() == (true, true))
    try folder.write("oom 0\noom_kill 1\n", to: "memory.events")
    #expect(try cgroup.outOfMemory() == (true, false))
    try folder.write("oom 0\noom_kill 0\n", to: "memory.events")
    #expect(try cgroup.outOfMemory().killed == false)
  }

  @Test("the controller is handed down in the unified hierarchy only past own processes")
  func delegation() throws {
    let folder = try TemporaryDirectory("cgroup")
    try folder.write("cpu", to: "cgroup.subtree_control")
    try folder.write("cpu io", to: "cgroup.controllers")
    try folder.write("3\n4\n", to: "cgroup.procs")
    try folder.makeDirectory("mounter")
    try folder.write("", to: "mounter/cgroup.procs")
    let cgroup = MemoryCgroup(folder: folder.path, version: .v2)
    #expect(throws: Errno.operationNotSupportedByDevice) { try cgroup.delegate(movingOwn: [3, 4], to: "mounter") }
    try folder.write("cpu io memory", to: "cgroup.controllers")
    #expect(throws: Errno.resourceBusy) { try cgroup.delegate(movingOwn: [3], to: "mounter") }
    try cgroup.delegate(movingOwn: [3, 4], to: "mounter")
    #expect(try WholeFile.text("\(folder.path)/cgroup.subtree_control").contains("+memory"))
    #expect(try !cgroup.child("mounter").pids().isEmpty)
  }

  @Test("in the v1 hierarchy a kill is one at the own limit where that was all but reached")
  func ownLimit() throws {
    let folder = try TemporaryDirectory("cgroup")
    try folder.write("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", to: "memory.oom_control")
    try folder.write("67108864\n", to: "memory.limit_in_bytes")
    try folder.write("67000000\n", to: "memory.max_usage_in_bytes")
    let cgroup = MemoryCgroup(folder: folder.path, version: .v1)
    #expect(try cgroup.outOfMemory() == (true, true))
    try folder.write("30000000\n", to: "memory.max_usage_in_bytes")
    #expect(try cgroup.outOfMemory() == (true, false))
  }
}
