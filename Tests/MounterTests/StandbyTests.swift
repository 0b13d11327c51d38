import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// A worker that is started before anybody needs it.
@Suite("A worker that waits for a volume", .serialized)
struct StandbyTests {
  /// Until the mounter has a child that is no volume's worker.
  private static func standby(_ mounter: RunningMounter, beside known: Set<Int32>) async throws -> Int32 {
    let process = try mounter.process().pid
    return try await OwnThread.run {
      let limit = Deadline.after(.patient)
      while !limit.hasPassed {
        let children = try ProcessTable.children(of: process).filter { !known.contains($0) }
        if let standby = children.first { return standby }
        sched_yield()
      }
      throw Errno.timedOut
    }
  }

  private static func commandLine(_ pid: Int32) throws -> [Substring] {
    try WholeFile.text("/proc/\(pid)/cmdline").split(separator: "\0")
  }

  private static func kill(_ pid: Int32) async throws {
    let process = try PidFD(pid: pid)
    try process.signal(SIGKILL)
    _ = try await OwnThread.run { try process.hasEnded(within: Waiting.limit) }
  }

  private static func next(
    _ mounter: RunningMounter, _ request: MountRequest, after pid: Int32
  ) async throws -> Int32 {
    while true {
      if let next = try await mounter.mount(request).pid, next != pid { return next }
    }
  }

  @Test("it follows a worker that dies, under the volume's name, and another one waits then", .requiresFuse)
  func follows() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let first = try #require(try await mounter.mount(request).pid)
      let standby = try await Self.standby(mounter, beside: [first])
      try await Self.kill(first)
      #expect(try await Self.next(mounter, request, after: first) == standby)
      #expect(try await mounter.read(request) == "content of data\n")
      #expect(try Self.commandLine(standby) == ["alluxio-fuse", "worker", "data"])
      #expect(try await Self.standby(mounter, beside: [first, standby]) != standby)
    }
  }

  @Test("one that has died meanwhile is not used, and a volume gets a worker all the same", .requiresFuse)
  func dies() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let first = try #require(try await mounter.mount(request).pid)
      let standby = try await Self.standby(mounter, beside: [first])
      try await Self.kill(standby)
      try await Self.kill(first)
      #expect(try await Self.next(mounter, request, after: first) != standby)
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("one of a program that was replaced since has ended when the volumes have moved to the next", .requiresFuse)
  func replacedProgram() async throws {
    let folder = try TemporaryDirectory("program")
    let script = "#!/bin/sh\nexec '\(try builtProduct("alluxio-fuse"))' \"$@\"\n"
    let program = try folder.write(script, to: "worker", mode: 0o755)
    try await RunningMounter.use(worker: program) { mounter in
      let request = try mounter.request("data")
      let first = try #require(try await mounter.mount(request).pid)
      let standby = try await Self.standby(mounter, beside: [first])
      let process = try PidFD(pid: standby)
      try Folder.move(try folder.write(script, to: "next", mode: 0o755), to: program)
      try mounter.process().signal(SIGHUP)
      let second = try await Self.next(mounter, request, after: first)
      #expect(second != standby)
      #expect(try await OwnThread.run { try process.hasEnded(within: Waiting.limit) })
    }
  }

  @Test("it ends with the last volume", .requiresFuse)
  func lastVolume() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let first = try #require(try await mounter.mount(request).pid)
      let standby = try PidFD(pid: try await Self.standby(mounter, beside: [first]))
      try await mounter.unmount(request)
      #expect(try await OwnThread.run { try standby.hasEnded(within: Waiting.limit) })
    }
  }
}
