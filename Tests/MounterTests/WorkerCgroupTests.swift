import Glibc
import LinuxSystem
import Logging
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

/// Leaves of workers in the unified hierarchy as the kernel has it, with whatever controllers it has there.
@Suite("Cgroups of workers in a real unified hierarchy", .serialized, .requiresUnifiedCgroups)
struct WorkerCgroupTests {
  private let key = WorkerKey(volumeID: "volume")
  private let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func sleeper() throws -> PidFD {
    try Spawn(executable: "/bin/sleep", arguments: ["sleep", "1000"]).start()
  }

  private func end(_ process: PidFD) throws {
    try process.signal(SIGKILL)
    _ = try Waiting.untilEnded(process)
  }

  @Test(
    "the mounter moves into a leaf, workers get leaves, which go with them, and the next mounter finds what is left")
  func leaves() throws {
    let cgroup = try TestCgroup()
    defer { cgroup.remove() }
    guard let controller = cgroup.controllers.first else { return }
    let (mounter, first, second) = (try sleeper(), try sleeper(), try sleeper())
    try MemoryCgroup(folder: cgroup.folder, version: .v2).add(pid: mounter.pid)
    let cgroups = WorkerCgroups(
      .beneath(cgroup.folder), stateDirectory: "/state", relatives: [mounter.pid], controller: controller, log: log)
    #expect(try MemoryCgroup(folder: "\(cgroup.folder)/mounter", version: .v2).pids() == [mounter.pid])
    let leaf = try #require(cgroups.place(pid: first.pid, key, generation: 1, limit: nil))
    #expect(try leaf.pids() == [first.pid])
    let standby = try #require(cgroups.prepare(pid: second.pid))
    try standby.add(pid: second.pid)
    // The next mounter finds the leaves of workers that live, and removes the others.
    let next = WorkerCgroups(
      .beneath(cgroup.folder), stateDirectory: "/state", relatives: [], controller: controller, log: log)
    #expect(next.leaf(of: first.pid) == leaf && next.leaf(of: mounter.pid) == nil)
    try end(second)
    next.sweep(keeping: [leaf])
    #expect(access(standby.folder, F_OK) != 0 && access(leaf.folder, F_OK) == 0)
    #expect(next.cause(of: .signaled(11), in: leaf, limit: nil) == .signaled(11))
    // While a process is in it, it stays, and is removed with the next one that goes.
    next.remove(leaf)
    #expect(access(leaf.folder, F_OK) == 0)
    try end(first)
    next.remove(leaf)
    #expect(access(leaf.folder, F_OK) != 0)
    try end(mounter)
  }

  @Test("a cgroup without a memory controller gives workers none, and they run where their mounter does")
  func noMemory() throws {
    let cgroup = try TestCgroup()
    defer { cgroup.remove() }
    guard !cgroup.controllers.contains("memory") else { return }
    let cgroups = WorkerCgroups(.beneath(cgroup.folder), stateDirectory: "/state", relatives: [], log: log)
    let process = try sleeper()
    #expect(cgroups.place(pid: process.pid, key, generation: 1, limit: 1 << 30) == nil)
    try end(process)
    #expect(try DirectoryNames.list(cgroup.folder).allSatisfy { !$0.hasPrefix("alluxio-") })
  }
}
