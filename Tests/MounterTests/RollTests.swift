import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import Mounter

/// Workers' programs that take the place of the one in use, under applications.
@Suite("Rolling to another worker's program", .serialized)
struct RollTests {
  /// A mounter whose worker's program is a copy that can be replaced, two volumes, and an application on the first.
  private static func use(
    _ body: (RunningMounter, _ program: String, [WorkerStatus]) async throws -> Void
  ) async throws {
    let folder = try TemporaryDirectory("program")
    let program = folder.appending("alluxio-fuse")
    try copyProgram(to: program)
    try await RunningMounter.use(worker: program) { mounter in
      let requests = try ["a", "b"].map { try mounter.request($0) }
      var statuses: [WorkerStatus] = []
      for request in requests { statuses.append(try await mounter.mount(request)) }
      let load = try Spawn(
        executable: "/bin/sh", arguments: ["sh", "-c", Self.load, "sh", requests[0].mountPoint],
        environment: ["PATH=/usr/bin:/bin"]
      ).start()
      defer { try? load.signal(SIGKILL) }
      try await progress(mounter)
      try await body(mounter, program, statuses)
      try await progress(mounter)
      try mounter.folder.write("", to: "files/a/stop")
      #expect(try await OwnThread.run { try Waiting.untilEnded(load) } == .exited(code: 0))
    }
  }

  private static let load = """
    set -eu; cd "$1"; exec 3>>log; number=0
    while [ ! -e stop ]; do
      number=$((number + 1)); echo "$number" >&3; test "$(tail -n 1 log)" = "$number"
      echo "$number" >new; mv new renamed; test "$(cat renamed)" = "$number"; mkdir dir; rmdir dir
    done
    test "$(wc -l <log)" = "$number"
    """

  private static func progress(_ mounter: RunningMounter) async throws {
    let log = "\(mounter.files)/a/log"
    let before = (try? WholeFile.text(log).utf8.count) ?? 0
    try await OwnThread.run {
      try Waiting.untilFolder("\(mounter.files)/a") { ((try? WholeFile.text(log).utf8.count) ?? 0) > before }
    }
  }

  /// Another file each time.
  private static func copyProgram(to path: String) throws {
    let bytes = try WholeFile.read(builtProduct("alluxio-fuse"), limit: 1 << 30)
    try replace(path, with: bytes)
  }

  /// As installers do: the old file keeps its inode as long as it runs.
  private static func replace(_ path: String, with bytes: [UInt8]) throws {
    let file = try Descriptor.open(path + ".new", O_WRONLY | O_CREAT | O_TRUNC, mode: 0o755)
    try file.writeAll(bytes)
    try file.close()
    guard rename(path + ".new", path) == 0 else { throw Errno(rawValue: errno) }
  }

  /// Until the mounter has said so.
  private static func untilLogged(_ mounter: RunningMounter, _ sentence: String) async throws {
    try await OwnThread.run { try Waiting.untilFolder(mounter.folder.path) { mounter.log.contains(sentence) } }
  }

  private static func statuses(_ mounter: RunningMounter) async throws -> [WorkerStatus] {
    try await mounter.client.list(by: RunningMounter.patience).sorted { $0.request.key.name < $1.request.key.name }
  }

  @Test("SIGHUP moves every volume to the new program, and nobody notices", .requiresFuse)
  func good() async throws {
    try await Self.use { mounter, program, before in
      let old = Set(before.compactMap(\.pid))
      try Self.copyProgram(to: program)
      try mounter.process().signal(SIGHUP)
      try await Self.untilLogged(mounter, "all volumes have moved")
      let after = try await Self.statuses(mounter)
      #expect(after.allSatisfy { $0.state == .ready && $0.history.deaths.map(\.exit) == [.replaced] })
      #expect(old.isDisjoint(with: after.compactMap(\.pid)))
      let identity = WorkerProgram.Identity.now(at: program)
      for pid in after.compactMap(\.pid) { #expect(WorkerProgram.Identity.now(at: "/proc/\(pid)/exe") == identity) }
      // A second time, with the same program.
      try mounter.process().signal(SIGHUP)
      let limit = Deadline.after(.patient)
      while try await Self.statuses(mounter).contains(where: { $0.restarts != 2 || $0.state != .ready }) {
        guard !limit.hasPassed else { throw Errno.timedOut }
      }
    }
  }

  @Test("a program that changes is noticed when the next worker is started", .requiresFuse)
  func noticed() async throws {
    try await Self.use { mounter, program, before in
      try Self.copyProgram(to: program)
      let pid = try #require(before.last?.pid)
      let victim = try PidFD(pid: pid)
      let limit = Deadline.after(.patient)
      try victim.signal(SIGKILL)
      try await Self.untilLogged(mounter, "all volumes have moved")
      let identity = WorkerProgram.Identity.now(at: program)
      let after = try await Self.statuses(mounter)
      for pid in after.compactMap(\.pid) { #expect(WorkerProgram.Identity.now(at: "/proc/\(pid)/exe") == identity) }
      #expect(!limit.hasPassed)
    }
  }

  @Test(
    "a program that is broken, says nothing, or reads other states is refused, and workers go on with the one before",
    .requiresFuse,
    arguments: [
      ("#!/bin/sh\nexit 7\n", "does not say what it is"),
      ("no program at all", "trying the worker's program"),
      (
        "#!/bin/sh\necho alluxio-fuse worker 9 protocol 1 state 99 reads 98\n",
        "reads shared state of versions 98 to 99"
      ),
      ("#!/bin/sh\necho alluxio-fuse worker 0 protocol 1 state 0 reads 0\n", "reads shared state of versions 0 to 0"),
      ("#!/bin/sh\necho alluxio-fuse worker 0 protocol 0 state 3 reads 2\n", "it speaks version 0"),
    ])
  func refused(_ content: String, _ reason: String) async throws {
    try await Self.use { mounter, program, before in
      try Self.replace(program, with: Array(content.utf8))
      try mounter.process().signal(SIGHUP)
      try await Self.untilLogged(mounter, "is of no use")
      #expect(mounter.log.contains(reason), "\(mounter.log)")
      #expect(
        try await Self.statuses(mounter).map(\.pid)
          == before.sorted { $0.request.key.name < $1.request.key.name }.map(\.pid))
      // The program before is still there to be started.
      try PidFD(pid: try #require(before.last?.pid)).signal(SIGKILL)
      let limit = Deadline.after(.patient)
      while try await Self.statuses(mounter).contains(where: { $0.pid == before.last?.pid || $0.state != .ready }) {
        guard !limit.hasPassed else { throw Errno.timedOut }
      }
    }
  }

  @Test("a program that says what it is and then cannot serve: the one before gets the volume back", .requiresFuse)
  func cannotServe() async throws {
    try await Self.use { mounter, program, before in
      let script = """
        #!/bin/sh
        if [ "$2" = --check ]; then echo '\(WorkerBuild.own.line)'; else exit 9; fi

        """
      try Self.replace(program, with: Array(script.utf8))
      try mounter.process().signal(SIGHUP)
      try await Self.untilLogged(mounter, "no more volumes move")
      let limit = Deadline.after(.patient)
      while try await Self.statuses(mounter).contains(where: { $0.state != .ready }) {
        guard !limit.hasPassed else { throw Errno.timedOut }
      }
      let after = try await Self.statuses(mounter)
      let moved = after.filter { $0.restarts > 0 }
      #expect(moved.count == 1)
      #expect(moved.first?.history.deaths.map(\.exit) == [.replaced, .exited(code: 9)])
      for pid in after.compactMap(\.pid) { #expect(try WholeFile.text("/proc/\(pid)/comm") == "alluxio-fuse\n") }
    }
  }
}
