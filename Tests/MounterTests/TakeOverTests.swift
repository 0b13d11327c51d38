import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

/// A mounter that follows a living one, under applications on every volume.
@Suite("Taking over from a mounter", .serialized)
struct TakeOverTests {
  /// A mounter that was told to take over, and what it said to whoever started it.
  struct Follower {
    var process: PidFD
    var ready: Pipe

    /// Its word: `ready`, or why not.
    func word() async throws -> String {
      let reader = ready.reader
      return try await OwnThread.run {
        try Waiting.untilReadable(reader.descriptor)
        return String(decoding: try reader.descriptor.read(upTo: 4_096), as: UTF8.self)
      }
    }
  }

  /// Starts the follower at the mounter's socket.
  static func follow(_ mounter: RunningMounter, worker: String? = nil, split: Bool = false) throws -> Follower {
    var ready = try Pipe()
    let log = try Descriptor.open("\(mounter.folder.path)/mounter.log", O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    let program = try builtProduct("alluxio-mounter")
    var spawn = Spawn(
      executable: program,
      arguments: [
        program, "--socket", mounter.launcher.socket, "--state-dir", mounter.paths.stateDirectory, "--worker",
        try worker ?? builtProduct("alluxio-fuse"), "--ready-fd", "3", "--take-over",
      ] + (split ? ["--as-init"] : []))
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue, 3: ready.writerNumber]
    let process = try spawn.start()
    ready.closeWriter()
    return Follower(process: process, ready: ready)
  }

  private static let names = ["a", "b", "c"]

  private static let load = """
    set -eu; cd "$1"; exec 3>>log 4<>nameless; rm nameless; number=0
    while [ ! -e stop ]; do
      number=$((number + 1)); echo "$number" >&3; test "$(tail -n 1 log)" = "$number"
      echo "$number" >&4; test "$(tail -n 1 /proc/self/fd/4)" = "$number"
      echo "$number" >new; mv new renamed; test "$(cat renamed)" = "$number"; mkdir dir; rmdir dir
    done
    test "$(wc -l <log)" = "$number"
    """

  /// Three volumes, each with an application that notices every error; `body` gets their statuses by key.
  private static func use(
    _ mounter: RunningMounter, _ body: ([WorkerKey: WorkerStatus]) async throws -> Void
  ) async throws {
    var loads: [PidFD] = []
    defer { for load in loads { try? load.signal(SIGKILL) } }
    var statuses: [WorkerKey: WorkerStatus] = [:]
    for name in names {
      let request = try mounter.request(name)
      statuses[request.key] = try await mounter.mount(request)
      let spawn = Spawn(
        executable: "/bin/sh", arguments: ["sh", "-c", load, "sh", request.mountPoint],
        environment: ["PATH=/usr/bin:/bin"])
      loads.append(try spawn.start())
    }
    try await progress(mounter)
    try await body(statuses)
    try await progress(mounter)
    for name in names { try mounter.folder.write("", to: "files/\(name)/stop") }
    for load in loads { #expect(try await OwnThread.run { try Waiting.untilEnded(load) } == .exited(code: 0)) }
  }

  /// Until every application has done something more.
  private static func progress(_ mounter: RunningMounter) async throws {
    for name in names {
      let log = "\(mounter.files)/\(name)/log"
      let before = (try? WholeFile.text(log).utf8.count) ?? 0
      try await OwnThread.run {
        try Waiting.untilFolder("\(mounter.files)/\(name)") {
          ((try? WholeFile.text(log).utf8.count) ?? 0) > before
        }
      }
    }
  }

  /// What the mounter at the socket has, once a worker serves every volume.
  private static func served(_ client: MounterClient) async throws -> [WorkerStatus] {
    let limit = Deadline.after(.patient)
    while !limit.hasPassed {
      let statuses = (try? await client.list(by: RunningMounter.patience)) ?? []
      if statuses.count == names.count, statuses.allSatisfy({ $0.state == .ready && $0.pid != nil }) { return statuses }
    }
    throw Errno.timedOut
  }

  /// One process has the lock on each volume's state, and it is the worker that the mounter names.
  private static func expectOneWorkerEach(_ statuses: [WorkerStatus]) throws {
    for status in statuses {
      let others = try ProcessTable.pids().filter { pid in
        let line = (try? WholeFile.text("/proc/\(pid)/cmdline"))?.split(separator: "\0") ?? []
        return line == ["alluxio-fuse", "worker", Substring(status.request.key.volumeID)] && pid != status.pid
          && Self.holds(pid, status.connection)
      }
      #expect(others == [])
    }
  }

  /// Whether the process has a descriptor of that connection.
  private static func holds(_ pid: Int32, _ connection: UInt32) -> Bool {
    let names = (try? DirectoryNames.list("/proc/\(pid)/fdinfo")) ?? []
    return names.contains { name in
      (try? WholeFile.text("/proc/\(pid)/fdinfo/\(name)"))?.contains("fuse_connection:\t\(connection)\n") == true
    }
  }

  @Test("volume after volume moves to the follower, then the socket, and the one before ends", .requiresFuse)
  func follows() async throws {
    try await RunningMounter.use { mounter in
      try await Self.use(mounter) { before in
        let old = try mounter.process()
        let follower = try Self.follow(mounter)
        #expect(try await follower.word() == "ready\n", "\(mounter.log)")
        _ = try await OwnThread.run { try Waiting.untilEnded(old) }
        #expect(try mounter.process().pid == follower.process.pid)
        let after = try await Self.served(mounter.client)
        for status in after {
          let former = try #require(before[status.request.key])
          #expect(status.connection == former.connection && status.pid != former.pid)
          #expect(status.history.deaths.map(\.exit) == [.replaced])
        }
        try Self.expectOneWorkerEach(after)
      }
    }
  }

  @Test("a follower whose workers cannot serve gives up, and the mounter goes on with every volume", .requiresFuse)
  func cannotServe() async throws {
    let folder = try TemporaryDirectory("worker")
    let program = try folder.write("#!/bin/sh\nexit 9\n", to: "worker", mode: 0o755)
    try await RunningMounter.use { mounter in
      try await Self.use(mounter) { before in
        let old = try mounter.process()
        let follower = try Self.follow(mounter, worker: program)
        #expect(try await follower.word().hasPrefix("taking over"))
        #expect(try await OwnThread.run { try Waiting.untilEnded(follower.process) } == .exited(code: 1))
        #expect(try mounter.process().pid == old.pid)
        let after = try await Self.served(mounter.client)
        #expect(after.allSatisfy { before[$0.request.key]?.connection == $0.connection })
        try Self.expectOneWorkerEach(after)
      }
    }
  }

  /// A worker's program whose second worker, and every later one, waits before it begins.
  static func waitingProgram(_ folder: TemporaryDirectory) throws -> String {
    let script = """
      #!/bin/sh
      if [ "$2" != --check ]; then
        echo started >>'\(folder.path)/starts'
        if [ "$(wc -l <'\(folder.path)/starts')" -ge 2 ]; then
          while [ ! -e '\(folder.path)/go' ]; do sleep 0.01; done
        fi
      fi
      exec '\(try builtProduct("alluxio-fuse"))' "$@"

      """
    return try folder.write(script, to: "worker", mode: 0o755)
  }

  static func untilSecondStart(_ folder: TemporaryDirectory) async throws {
    try await OwnThread.run {
      try Waiting.untilFolder(folder.path) {
        ((try? WholeFile.text(folder.appending("starts")))?.split(separator: "\n").count ?? 0) >= 2
      }
    }
  }

  @Test("a follower that is killed midway: the mounter takes everything back", .requiresFuse)
  func followerKilled() async throws {
    let folder = try TemporaryDirectory("worker")
    try await RunningMounter.use { mounter in
      try await Self.use(mounter) { before in
        let old = try mounter.process()
        let follower = try Self.follow(mounter, worker: try Self.waitingProgram(folder))
        try await Self.untilSecondStart(folder)
        try follower.process.signal(SIGKILL)
        _ = try await OwnThread.run { try Waiting.untilEnded(follower.process) }
        try folder.write("", to: "go")
        let after = try await Self.served(mounter.client)
        #expect(try mounter.process().pid == old.pid)
        #expect(after.allSatisfy { before[$0.request.key]?.connection == $0.connection })
        try Self.expectOneWorkerEach(after)
      }
    }
  }

  @Test("a mounter that is killed midway: the follower has the rest from who keeps copies", .requiresFuse)
  func mounterKilled() async throws {
    let folder = try TemporaryDirectory("worker")
    try await RunningMounter.use { mounter in
      let custodian = MounterClient(socket: mounter.launcher.socket, program: "custodian", keepsCustody: true)
      try await custodian.connect(by: RunningMounter.patience)
      try await Self.use(mounter) { before in
        let old = try mounter.process()
        let follower = try Self.follow(mounter, worker: try Self.waitingProgram(folder))
        try await Self.untilSecondStart(folder)
        try old.signal(SIGKILL)
        _ = try await OwnThread.run { try Waiting.untilEnded(old) }
        try folder.write("", to: "go")
        #expect(try await follower.word() == "ready\n", "\(mounter.log)")
        let after = try await Self.served(custodian)
        #expect(try mounter.process().pid == follower.process.pid)
        #expect(after.allSatisfy { before[$0.request.key]?.connection == $0.connection })
        try Self.expectOneWorkerEach(after)
      }
      withExtendedLifetime(custodian) {}
    }
  }

  @Test("a client that asks for work meanwhile is told to come again, and nothing is undone", .requiresFuse)
  func callsMeanwhile() async throws {
    let folder = try TemporaryDirectory("worker")
    try await RunningMounter.use { mounter in
      try await Self.use(mounter) { _ in
        let follower = try Self.follow(mounter, worker: try Self.waitingProgram(folder))
        try await Self.untilSecondStart(folder)
        let other = try mounter.request("d")
        await #expect(throws: MounterError.shuttingDown) { try await mounter.mount(other) }
        let known = mounter.request(for: "a", path: "\(mounter.files)/a")
        await #expect(throws: MounterError.shuttingDown) { try await mounter.unmount(known) }
        #expect(try await mounter.client.list(by: RunningMounter.patience).count == 3)
        try folder.write("", to: "go")
        #expect(try await follower.word() == "ready\n")
        let limit = Deadline.after(.patient)
        var status: WorkerStatus?
        while status == nil, !limit.hasPassed { status = try? await mounter.mount(other) }
        #expect(status?.state == .ready)
        try await mounter.unmount(other)
      }
    }
  }

  @Test("without a mounter at the socket there is nothing to be taken over", .requiresFuse)
  func nobody() async throws {
    let mounter = try RunningMounter()
    try Folder.makeAll("\(mounter.folder.path)/run")
    let follower = try Self.follow(mounter)
    #expect(try await follower.word() == "ready\n")
    try await mounter.client.shutdown(unmountingAll: true, by: RunningMounter.patience)
    #expect(try await OwnThread.run { try Waiting.untilEnded(follower.process) } == .exited(code: 0))
  }
}
