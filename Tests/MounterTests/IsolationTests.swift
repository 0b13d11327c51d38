import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// What workers may do and use, seen from outside.
@Suite("A worker is isolated", .serialized)
struct IsolationTests {
  /// The value of a line of /proc/PID/status.
  private static func field(_ name: String, of pid: Int32) throws -> String? {
    let lines = try WholeFile.text("/proc/\(pid)/status").split(separator: "\n")
    return lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.count + 1).drop { $0 == "\t" }) }
  }

  /// The leaf of a worker in the memory controller; nil where the machine gives none.
  private static func leaf(of pid: Int32) throws -> MemoryCgroup? {
    guard let own = try MemoryCgroup.own() else { return nil }
    let names = try DirectoryNames.list(own.folder).filter { $0.hasPrefix("alluxio-") }
    // Leaves of other mounters come and go meanwhile.
    return names.map(own.child).first { (try? $0.pids().contains(pid)) == true }
  }

  @Test("it keeps the capabilities that serving many owners needs, no others, and can gain none", .requiresFuse)
  func capabilities() async throws {
    try await RunningMounter.use { mounter in
      let pid = try #require(try await mounter.mount(try mounter.request("data")).pid)
      // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, MKNOD, SETFCAP.
      for set in ["CapPrm", "CapEff", "CapBnd"] { #expect(try Self.field(set, of: pid) == "00000000880000df") }
      for set in ["CapInh", "CapAmb"] { #expect(try Self.field(set, of: pid) == "0000000000000000") }
      #expect(try Self.field("NoNewPrivs", of: pid) == "1")
      #expect(try Self.field("Seccomp", of: pid) == "2")
      #expect(!mounter.log.contains("more rights than it needs"))
    }
  }

  @Test("the kernel takes it before its mounter when memory runs out", .requiresFuse)
  func score() async throws {
    try await RunningMounter.use { mounter in
      let pid = try #require(try await mounter.mount(try mounter.request("data")).pid)
      func score(_ pid: Int32) throws -> Int? {
        Int(try WholeFile.text("/proc/\(pid)/oom_score_adj").prefix { $0 != "\n" })
      }
      let (own, mounters) = (try score(pid), try score(mounter.process().pid))
      #expect(try #require(own) > #require(mounters))
    }
  }

  @Test("it has a cgroup of its own with the volume's limit, which goes with it", .requiresFuse)
  func ownCgroup() async throws {
    try await RunningMounter.use { mounter in
      var options = WorkerOptions()
      options.memoryLimitBytes = 64 << 20
      let request = try mounter.request("data", options: options)
      let pid = try #require(try await mounter.mount(request).pid)
      guard let leaf = try Self.leaf(of: pid) else {
        return #expect(mounter.log.contains("memoryLimit is not enforced"))
      }
      #expect(try leaf.pids() == [pid])
      let limit = leaf.version == .v1 ? "memory.limit_in_bytes" : "memory.max"
      #expect(try WholeFile.text("\(leaf.folder)/\(limit)") == "\(64 << 20)\n")
      let worker = try PidFD(pid: pid)
      try worker.signal(SIGKILL)
      _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
      while try await mounter.mount(request).pid == pid {}
      #expect(access(leaf.folder, F_OK) != 0)
      let next = try #require(try await mounter.mount(request).pid)
      let second = try #require(try Self.leaf(of: next))
      try await mounter.unmount(request)
      #expect(access(second.folder, F_OK) != 0)
    }
  }

  @Test(
    "a worker that the kernel kills at its limit is replaced, its readers notice nothing, and the cause is named",
    .requiresFuse)
  func outOfMemory() async throws {
    try await RunningMounter.use { mounter in
      var options = WorkerOptions()
      options.memoryLimitBytes = 64 << 20
      let request = try mounter.request("data", options: options)
      try mounter.folder.write(String(repeating: "0123456789abcdef", count: 262_144), to: "files/data/big")
      let first = try #require(try await mounter.mount(request).pid)
      guard let leaf = try Self.leaf(of: first) else { return }
      let readers = try (0..<16).map { _ in
        try Spawn(
          executable: "/bin/sh",
          arguments: [
            "/bin/sh", "-euc",
            """
            for round in 1 2 3 4 5 6 7 8; do
              dd if="$1/big" iflag=direct bs=1M 2>/dev/null | cmp - "$2/big"
            done
            """, "sh", request.mountPoint, "\(mounter.files)/data",
          ], environment: ["PATH=/usr/bin:/bin"]
        ).start()
      }
      // What it uses now is all it may use: the next reader thread with its buffer is too much.
      try? leaf.setLimit(bytes: try leaf.usage() + 4096)
      for reader in readers {
        let exit = try await OwnThread.run { try reader.wait() }
        #expect(exit.isSuccess)
      }
      let status = try await mounter.mount(request)
      if status.pid == first { return }  // It got by with what it had.
      #expect(status.history.deaths.map(\.exit) == [.outOfMemory(limitBytes: 64 << 20)])
    }
  }

  @Test("with --cgroup off, and with a folder that is no cgroup, it runs all the same", .requiresFuse)
  func switchedOff() async throws {
    for place in ["off", "/nowhere"] {
      try await RunningMounter.use(arguments: ["--cgroup", place]) { mounter in
        let pid = try #require(try await mounter.mount(try mounter.request("data")).pid)
        #expect(try Self.leaf(of: pid) == nil)
        #expect(mounter.log.contains("memoryLimit is not enforced") == (place != "off"))
      }
    }
  }
}
