import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@Suite("Files that the kernel reads and writes itself while processes die", .serialized, .requiresPassthrough)
struct PassthroughKillTests {
  /// `read`: the next line by descriptor 3, which the worker has no part in. `write WORD`: a line by descriptor 4. `open`:
  /// the file once more, and its first line. `close`: all of them, and the file once more.
  private static let script = """
    exec 3<"$1/big" 4<>"$1/big"
    while read -r word rest; do
      case $word in
        read) read -r line <&3; echo "$line" ;;
        write) echo "$rest" >&4; echo done ;;
        open) read -r line <"$1/big"; exec 5<>"$1/big"; echo "$line" ;;
        close) exec 3<&- 4<&- 5<&-; exec 3<"$1/big"; read -r line <&3; echo "$line" ;;
      esac
    done
    """

  /// A file of a megabyte whose lines are their numbers.
  private static func makeFile(_ mounter: RunningMounter) throws {
    let lines = (1...150_000).map { "\($0)\n" }.joined()
    try mounter.folder.write(lines, to: "files/data/big")
  }

  @Test("an open file is read and written while no worker works, and while none is there", .requiresFuse)
  func withoutWorker() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      try Self.makeFile(mounter)
      let status = try await mounter.mount(request)
      let application = try Application(Self.script, [request.mountPoint])
      #expect(try await application.ask("read") == "1")
      // The first write asks for file capabilities.
      #expect(try await application.ask("write zero") == "done")
      let worker = try PidFD(pid: try #require(status.pid))
      try worker.stopAllThreads(pid: worker.pid)
      #expect(try await application.ask("write one") == "done")
      #expect(try await application.ask("read") == "ro")
      #expect(try WholeFile.text("\(mounter.files)/data/big").hasPrefix("zero\none\n"))
      try worker.signal(SIGKILL)
      #expect(try await application.ask("write two") == "done")
      #expect(try WholeFile.text("\(mounter.files)/data/big").hasPrefix("zero\none\ntwo\n"))
    }
  }

  @Test(
    "opens before and behind each kill of the worker are of one file, and so are those after a close", .requiresFuse)
  func opensAcrossKills() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      try Self.makeFile(mounter)
      var status = try await mounter.mount(request)
      let application = try Application(Self.script, [request.mountPoint])
      for round in 1...4 {
        #expect(try await application.ask("open") == (round == 1 ? "1" : "round1"))
        #expect(try await application.ask("write round\(round)") == "done")
        status = try await RestartTests.replaceWorker(mounter, request, status)
      }
      #expect(try await application.ask("open") == "round1")
      #expect(try await application.ask("close") == "round1")
      status = try await RestartTests.replaceWorker(mounter, request, status)
      #expect(try await application.ask("open") == "round1")
      #expect(status.restarts == 5)
    }
  }

  @Test("a mounter that dies takes nothing from open files, and the next one registers others", .requiresFuse)
  func mounterDies() async throws {
    try await ParentTests.use(inNamespace: false) { mounter, _ in
      let request = try mounter.request("data")
      try Self.makeFile(mounter)
      let status = try await mounter.mount(request)
      let application = try Application(Self.script, [request.mountPoint])
      #expect(try await application.ask("read") == "1")
      let before = try mounter.process()
      try before.signal(SIGKILL)
      _ = try await OwnThread.run { try before.hasEnded(within: Waiting.limit) }
      #expect(try await application.ask("open") == "1")
      #expect(try await application.ask("write again") == "done")
      // The number that the dead mounter had given still ends, and the next one gives another.
      #expect(try await application.ask("close") == "again")
      _ = try await RestartTests.replaceWorker(mounter, request, status)
      #expect(try await application.ask("open") == "again")
    }
  }

  @Test("without passthrough a worker that is stopped stops its readers", .requiresFuse)
  func off() async throws {
    try await RunningMounter.use { mounter in
      var options = WorkerOptions()
      options.passthrough = false
      let request = try mounter.request("data", options: options)
      try Self.makeFile(mounter)
      let status = try await mounter.mount(request)
      let application = try Application(Self.script, [request.mountPoint])
      let worker = try PidFD(pid: try #require(status.pid))
      try worker.stopAllThreads(pid: worker.pid)
      async let answer = application.ask("write one")
      let connection = FuseConnection(number: status.connection)
      try await OwnThread.run { try Waiting.untilAsked(connection) }
      try worker.signal(SIGCONT)
      #expect(try await answer == "done")
    }
  }
}
