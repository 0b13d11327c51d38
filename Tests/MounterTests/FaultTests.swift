import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Workers and mounters that die, hang and lie.
@Suite("Faults beneath the mounter", .serialized)
struct FaultTests {
  @Test("kill -9 of a worker shows as an event, and the same mount is served again without a call", .requiresFuse)
  func workerKilled() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var events = mounter.client.events.makeAsyncIterator()
      let first = try await mounter.mount(request)
      try PidFD(pid: try #require(first.pid)).signal(SIGKILL)
      var interrupted: WorkerStatus?
      var second: WorkerStatus?
      while second == nil, let event = await events.next() {
        guard case .changed(let status) = event else { continue }
        if case .interrupted = status.state { interrupted = interrupted ?? status }
        if interrupted != nil, status.state == .ready { second = status }
      }
      #expect(interrupted?.pid == nil)
      guard case .interrupted(let reason) = interrupted?.state else { return #expect(Bool(false)) }
      #expect(reason.contains("SIGKILL"))
      #expect(second?.connection == first.connection && second?.restarts == 1 && second?.pid != first.pid)
      #expect(second?.history.deaths.map(\.exit) == [.signaled(9)])
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("a mount whose connection somebody aborts gets no further worker, says so, and is mounted anew", .requiresFuse)
  func aborted() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var events = mounter.client.events.makeAsyncIterator()
      let first = try await mounter.mount(request)
      try FuseConnection(number: first.connection).abort()
      var lost: WorkerStatus?
      while lost == nil, let event = await events.next() {
        if case .changed(let status) = event, case .failed = status.state { lost = status }
      }
      #expect(lost?.history.deaths.map(\.exit) == [.disconnected])
      try await mounter.unmount(request, abandoningUsers: true)
      _ = try await mounter.mount(request)
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("a volume whose worker is dead is unmounted, with a reader hanging in it", .requiresFuse)
  func unmountDead() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let worker = try PidFD(pid: try #require(status.pid))
      try worker.stopAllThreads(pid: try #require(status.pid))
      async let reader = try? mounter.read(request)
      try await OwnThread.run { try Waiting.untilAsked(FuseConnection(number: status.connection)) }
      try worker.signal(SIGKILL)
      try await mounter.unmount(request, abandoningUsers: true)
      // The next worker may have answered it.
      let content = await reader
      #expect(content == nil || content == "content of data\n")
      #expect(try !mounter.isMounted(request))
    }
  }

  @Test("a stopped worker holds no unmount up, and is ended", .requiresFuse, arguments: [false, true])
  func stoppedWorker(_ hasReader: Bool) async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let worker = try PidFD(pid: try #require(status.pid))
      try worker.stopAllThreads(pid: try #require(status.pid))
      async let reader = hasReader ? try? mounter.read(request) : nil
      if hasReader { try await OwnThread.run { try Waiting.untilAsked(FuseConnection(number: status.connection)) } }
      let start = Deadline.now
      try await mounter.client.unmount(request.key, abandoningUsers: true, by: .after(.seconds(6)))
      #expect(start.remaining(at: .now) == .zero && Deadline.now < start.advanced(by: .seconds(6)))
      #expect(try worker.hasEnded(within: Waiting.limit))
      #expect(await reader == nil)
      #expect(access(request.mountPoint, F_OK) != 0)
    }
  }

  @Test("a program that is no worker fails the start with its last words, and nothing is left", .requiresFuse)
  func notAWorker() async throws {
    let folder = try TemporaryDirectory("worker")
    let program = try folder.write("#!/bin/sh\necho cannot serve today >&2\nexit 7\n", to: "worker", mode: 0o755)
    try await RunningMounter.use(worker: program) { mounter in
      let request = try mounter.request("data")
      let error = await #expect(throws: MounterError.self) { try await mounter.mount(request) }
      #expect(error == .workerFailed(reason: "the worker exited with code 7", output: ["cannot serve today"]))
      #expect(access(request.mountPoint, F_OK) != 0)
    }
  }

  @Test("a worker that never serves is given up in time", .requiresFuse)
  func silentWorker() async throws {
    let folder = try TemporaryDirectory("worker")
    let program = try folder.write("#!/bin/sh\nexec sleep 1000\n", to: "worker", mode: 0o755)
    try await RunningMounter.use(worker: program) { mounter in
      let request = try mounter.request("data")
      let error = await #expect(throws: MounterError.self) {
        try await mounter.client.ensureMounted(request, secrets: nil, by: .after(.seconds(2)))
      }
      guard case .deadline = error else { return #expect(Bool(false), "\(error as Any)") }
      // The caller's deadline is the mounter's, which may be a moment behind.
      let limit = RunningMounter.patience
      while access(request.mountPoint, F_OK) == 0, !limit.hasPassed { await Task.yield() }
      #expect(access(request.mountPoint, F_OK) != 0)
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
    }
  }

  @Test("a worker's program that is absent fails the start", .requiresFuse)
  func absentWorker() async throws {
    try await RunningMounter.use(worker: "/nowhere/alluxio-fuse") { mounter in
      let request = try mounter.request("data")
      let error = await #expect(throws: MounterError.self) { try await mounter.mount(request) }
      #expect(error == .system(.noSuchFileOrDirectory, step: "starting /nowhere/alluxio-fuse"))
      #expect(access(request.mountPoint, F_OK) != 0)
    }
  }

  @Test("a stopped mounter holds no caller beyond its deadline", .requiresFuse)
  func stoppedMounter() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      let process = try mounter.process()
      try process.signal(SIGSTOP)
      let error = await #expect(throws: MounterError.self) {
        try await mounter.client.list(by: .after(.milliseconds(300)))
      }
      try process.signal(SIGCONT)
      guard case .deadline = error else { return #expect(Bool(false), "\(error as Any)") }
      #expect(try await mounter.client.list(by: RunningMounter.patience).count == 1)
    }
  }

  @Test("a call whose task is cancelled ends at once", .requiresFuse)
  func cancelled() async throws {
    try await RunningMounter.use { mounter in
      try await mounter.client.connect(by: RunningMounter.patience)
      let process = try mounter.process()
      try process.signal(SIGSTOP)
      let call = Task { try await mounter.client.list(by: RunningMounter.patience) }
      call.cancel()
      await #expect(throws: MounterError.cancelled) { try await call.value }
      try process.signal(SIGCONT)
    }
  }

  @Test("SIGTERM ends the mounter and leaves the volume served; the next mounter unmounts what it finds", .requiresFuse)
  func terminated() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let old = try mounter.process()
      try old.signal(SIGTERM)
      _ = try await OwnThread.run { try Waiting.untilEnded(old) }
      #expect(try await mounter.read(request) == "content of data\n")
      let worker = try PidFD(pid: try #require(status.pid))
      #expect(try !worker.hasEnded())
      await #expect(throws: MounterError.self) { try await mounter.client.list(by: RunningMounter.patience) }
      try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
      #expect(try await mounter.client.list(by: RunningMounter.patience) == [])
      try await mounter.unmount(request)
      #expect(try !mounter.isMounted(request))
      #expect(try worker.hasEnded(within: Waiting.limit))
      let again = try await mounter.mount(request)
      #expect(again.pid != status.pid)
    }
  }

  @Test("kill -9 of the mounter leaves the volume served, and a repeat mounts it anew", .requiresFuse)
  func mounterKilled() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let old = try mounter.process()
      try old.signal(SIGKILL)
      _ = try await OwnThread.run { try Waiting.untilEnded(old) }
      #expect(try await mounter.read(request) == "content of data\n")
      try await mounter.launcher.ensureRunning(by: RunningMounter.patience)
      let again = try await mounter.mount(request)
      #expect(again.pid != status.pid)
      #expect(try await mounter.read(request) == "content of data\n")
      #expect(try PidFD(pid: try #require(status.pid)).hasEnded(within: Waiting.limit))
      #expect(try MountTable.read().beneath(request.mountPoint).count == 1)
    }
  }
}
