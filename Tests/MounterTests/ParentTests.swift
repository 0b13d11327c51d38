import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// The mounter as PID 1 of a container: a parent that holds descriptors, and a mounter that serves.
@Suite("A mounter that is split", .serialized)
struct ParentTests {
  /// A parent and what it started, ended with all volumes.
  static func use(
    inNamespace: Bool, options: [String] = [], _ body: (RunningMounter, PidFD) async throws -> Void
  ) async throws {
    let mounter = try RunningMounter()
    var ready = try Pipe()
    let log = try Descriptor.open("\(mounter.folder.path)/mounter.log", O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    var arguments = [
      try builtProduct("alluxio-mounter"), "--socket", mounter.launcher.socket, "--state-dir",
      mounter.paths.stateDirectory, "--worker", try builtProduct("alluxio-fuse"), "--ready-fd", "3",
    ]
    // `--mount-proc` in a namespace of mounts would hide the mounts from this process.
    if inNamespace {
      arguments = [try #require(Machine.program("unshare")), "--fork", "--pid", "--kill-child"] + arguments
    } else {
      arguments.append("--as-init")
    }
    arguments += options
    var spawn = Spawn(executable: arguments[0], arguments: arguments)
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue, 3: ready.writerNumber]
    let parent = try spawn.start()
    ready.closeWriter()
    let word = try await OwnThread.run { [ready] in try ready.reader.descriptor.read(upTo: 4_096) }
    #expect(String(decoding: word, as: UTF8.self) == "ready\n", "\(mounter.log)")
    do { try await body(mounter, parent) } catch {
      print(mounter.log)
      try? await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
      throw error
    }
    if try parent.hasEnded() { return }
    try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
    let status = try await OwnThread.run { try Waiting.untilEnded(parent) }
    #expect(status == .exited(code: 0), "\(mounter.log)")
  }

  /// Until the parent has started another mounter and that one serves: the log says so.
  private static func untilServedAgain(_ mounter: RunningMounter, times: Int = 2) async throws {
    try await OwnThread.run {
      try Waiting.untilFolder(mounter.folder.path) {
        mounter.log.split(separator: "\n").filter { $0.contains("mounter: serving") }.count >= times
      }
    }
  }

  @Test("the serving mounter is killed, and the next one serves the same worker on the same mount", .requiresFuse)
  func takeOver() async throws {
    try await Self.use(inNamespace: false) { mounter, parent in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request, secrets: VolumeSecrets(["a": "b"]))
      let serving = try mounter.process()
      #expect(serving.pid != parent.pid)
      try serving.signal(SIGKILL)
      try await Self.untilServedAgain(mounter)
      let after = try await mounter.mount(request)
      #expect(after == before)
      #expect(try await mounter.read(request) == "content of data\n")
      var options = request.options
      options.capacityBytes = 1 << 30
      let updated = try await mounter.client.updateOptions(options, of: request.key, by: RunningMounter.patience)
      #expect(updated.request.options == options)
      try await mounter.unmount(request)
      #expect(try !mounter.isMounted(request))
    }
  }

  @Test("who looks for a mounter while only its parent lives waits for the next one, and starts none", .requiresFuse)
  func waitedFor() async throws {
    try await Self.use(inNamespace: false) { mounter, parent in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request)
      let serving = try mounter.process()
      try parent.signal(SIGSTOP)
      try serving.signal(SIGKILL)
      _ = try await OwnThread.run { try serving.hasEnded(within: Waiting.limit) }
      async let running: Void = mounter.launcher.ensureRunning(by: RunningMounter.patience)
      // The launcher has this lock while it looks.
      try await OwnThread.run { try Waiting.untilExists("\(mounter.launcher.socket).start") }
      try parent.signal(SIGCONT)
      try await running
      #expect(try await mounter.mount(request) == before)
      #expect(!mounter.log.contains("Address already in use"))
    }
  }

  @Test("a parent that stays waits while its follower lives, and serves again once that one is gone", .requiresFuse)
  func stays() async throws {
    try await Self.use(inNamespace: false, options: ["--take-over", "--stay"]) { mounter, parent in
      // As the plugin: outside a namespace of its own, the follower's mounter ends with its parent.
      let custodian = MounterClient(socket: mounter.launcher.socket, program: "custodian", keepsCustody: true)
      try await custodian.connect(by: RunningMounter.patience)
      let request = try mounter.request("data")
      let before = try await mounter.mount(request)
      let follower = try TakeOverTests.follow(mounter, split: true)
      #expect(try await follower.word() == "ready\n", "\(mounter.log)")
      try await OwnThread.run {
        try Waiting.untilFolder(mounter.folder.path) { mounter.log.contains("waiting until it is gone") }
      }
      #expect(try !parent.hasEnded())
      #expect(try await Self.served(custodian).connection == before.connection)
      try follower.process.signal(SIGKILL)
      _ = try await OwnThread.run { try Waiting.untilEnded(follower.process) }
      try await Self.untilServedAgain(mounter, times: 3)
      #expect(try await Self.served(custodian).connection == before.connection, "\(mounter.log)")
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  /// What the mounter at the socket says of its one volume, once a worker serves that.
  private static func served(_ client: MounterClient) async throws -> WorkerStatus {
    let limit = Deadline.after(.patient)
    while !limit.hasPassed {
      let statuses = (try? await client.list(by: RunningMounter.patience)) ?? []
      if let status = statuses.first, status.state == .ready, status.pid != nil { return status }
    }
    throw Errno.timedOut
  }

  @Test("a worker that dies after the serving mounter did is reported with how it ended", .requiresFuse)
  func adoptedWorkerDies() async throws {
    try await Self.use(inNamespace: false) { mounter, _ in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let serving = try mounter.process()
      try serving.signal(SIGKILL)
      try await Self.untilServedAgain(mounter)
      var events = mounter.client.events.makeAsyncIterator()
      _ = try? await mounter.client.list(by: RunningMounter.patience)
      #expect(try await mounter.client.list(by: RunningMounter.patience).count == 1)
      try PidFD(pid: try #require(status.pid)).signal(SIGKILL)
      var second: WorkerStatus?
      while second == nil, let event = await events.next() {
        if case .changed(let status) = event, status.restarts == 1, status.state == .ready { second = status }
      }
      #expect(second?.history.deaths.map(\.exit) == [.signaled(9)])
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test(
    "as PID 1 of a real PID namespace it mounts, serves, restarts, and takes its children along", .requiresFuse,
    .requiresProgram("unshare"))
  func realNamespace() async throws {
    try await Self.use(inNamespace: true) { mounter, _ in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      // Pids are of the namespace: 1 is the parent, 2 serves.
      #expect(try #require(status.pid) < 100)
      #expect(try await mounter.read(request) == "content of data\n")
      let serving = try mounter.process()
      try serving.signal(SIGKILL)
      try await Self.untilServedAgain(mounter)
      #expect(try await mounter.mount(request).pid == status.pid)
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("SIGTERM to the parent ends both and leaves the volume to its worker", .requiresFuse)
  func terminated() async throws {
    try await Self.use(inNamespace: false) { mounter, parent in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let serving = try mounter.process()
      try parent.signal(SIGTERM)
      _ = try await OwnThread.run { try Waiting.untilEnded(parent) }
      #expect(try serving.hasEnded())
      #expect(try await mounter.read(request) == "content of data\n")
      // What is left is the test's to clear away.
      try Mount.unmount(request.mountPoint)
      #expect(try PidFD(pid: try #require(status.pid)).hasEnded(within: Waiting.limit))
    }
  }

  @Test(
    "a split mounter is followed by another: both of the first end, and the second goes on when it dies", .requiresFuse)
  func followed() async throws {
    try await Self.use(inNamespace: false) { mounter, parent in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request)
      let follower = try TakeOverTests.follow(mounter, split: true)
      #expect(try await follower.word() == "ready\n", "\(mounter.log)")
      #expect(try await OwnThread.run { try Waiting.untilEnded(parent) } == .exited(code: 0))
      let after = try await mounter.mount(request)
      #expect(after.connection == before.connection && after.restarts == 1)
      try mounter.process().signal(SIGKILL)
      try await OwnThread.run {
        try Waiting.untilFolder(mounter.folder.path) {
          mounter.log.split(separator: "\n").filter { $0.contains("mounter: serving") }.count >= 3
        }
      }
      #expect(try await mounter.mount(request).pid == after.pid)
      #expect(try await mounter.read(request) == "content of data\n")
      try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
      #expect(try await OwnThread.run { try Waiting.untilEnded(follower.process) } == .exited(code: 0))
    }
  }

  @Test(
    "a split mounter that dies while another follows it, and whose parent is late: the parent gives what it has and ends",
    .requiresFuse)
  func succeeded() async throws {
    let folder = try TemporaryDirectory("worker")
    try await Self.use(inNamespace: false) { mounter, parent in
      let requests = try ["a", "b", "c"].map { try mounter.request($0) }
      var connections: [WorkerKey: UInt32] = [:]
      for request in requests { connections[request.key] = try await mounter.mount(request).connection }
      let serving = try mounter.process()
      let follower = try TakeOverTests.follow(mounter, worker: try TakeOverTests.waitingProgram(folder))
      try await TakeOverTests.untilSecondStart(folder)
      // So that the follower is the first to listen.
      try parent.signal(SIGSTOP)
      try serving.signal(SIGKILL)
      try folder.write("", to: "go")
      #expect(try await follower.word() == "ready\n", "\(mounter.log)")
      try parent.signal(SIGCONT)
      #expect(try await OwnThread.run { try Waiting.untilEnded(parent) } == .exited(code: 4), "\(mounter.log)")
      #expect(mounter.log.contains("another mounter serves the socket"))
      for request in requests {
        #expect(try await mounter.mount(request).connection == connections[request.key], "\(mounter.log)")
        #expect(try await mounter.read(request) == "content of \(request.key.volumeID)\n")
      }
      try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
      #expect(try await OwnThread.run { try Waiting.untilEnded(follower.process) } == .exited(code: 0))
    }
  }

  @Test("a split follower whose workers cannot serve gives up, and leaves the mounter before it alone", .requiresFuse)
  func followerGivesUp() async throws {
    let folder = try TemporaryDirectory("worker")
    let program = try folder.write("#!/bin/sh\nexit 9\n", to: "worker", mode: 0o755)
    try await Self.use(inNamespace: false) { mounter, _ in
      let request = try mounter.request("data")
      let before = try await mounter.mount(request)
      let serving = try mounter.process()
      let follower = try TakeOverTests.follow(mounter, worker: program, split: true)
      #expect(try await follower.word().hasPrefix("taking over"))
      #expect(
        try await OwnThread.run { try Waiting.untilEnded(follower.process) } == .exited(code: 1), "\(mounter.log)")
      #expect(try mounter.process().pid == serving.pid)
      #expect(try await mounter.mount(request).connection == before.connection)
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("a second split mounter on a socket that is served ends, says so, and disturbs nobody", .requiresFuse)
  func second() async throws {
    try await Self.use(inNamespace: false) { mounter, _ in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      let program = try builtProduct("alluxio-mounter")
      let arguments = [
        program, "--socket", mounter.launcher.socket, "--state-dir", mounter.paths.stateDirectory, "--as-init",
      ]
      let second = try Spawn(executable: program, arguments: arguments).start()
      #expect(try await OwnThread.run { try Waiting.untilEnded(second) } == .exited(code: 4))
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }
}
