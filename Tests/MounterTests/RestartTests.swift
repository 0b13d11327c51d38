import ApplicationLoad
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Applications that go on while their worker is killed and started again on the same connection.
@Suite("A worker that is killed and started again", .serialized)
struct RestartTests {
  /// Kills the worker, waits for its end and for the next one.
  static func replaceWorker(
    _ mounter: RunningMounter, _ request: MountRequest, _ status: WorkerStatus
  ) async throws -> WorkerStatus {
    let worker = try PidFD(pid: try #require(status.pid))
    try worker.signal(SIGKILL)
    _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
    return try await restarted(mounter, request, after: status)
  }

  /// The mounter may hear of the death only behind the call: then it still shows the old worker.
  private static func restarted(
    _ mounter: RunningMounter, _ request: MountRequest, after status: WorkerStatus
  ) async throws -> WorkerStatus {
    while true {
      let next = try await mounter.mount(request)
      if next.pid != status.pid { return next }
    }
  }

  @Test("open files are read and written on, on the same connection, and new ones are opened", .requiresFuse)
  func openFiles() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      try mounter.folder.write("1\n2\n3\n", to: "files/data/lines")
      var status = try await mounter.mount(request)
      let connection = status.connection
      let application = try Application(
        """
        cd "$1"; exec 3<>new 4<lines 5>>log
        while read -r word; do
          echo "$word" >&3; echo "$word" >&5; read -r number <&4; echo "$word" >"$word"; echo "$number"
        done
        """, [request.mountPoint])
      for round in 1...3 as ClosedRange<UInt32> {
        #expect(try await application.ask("word\(round)") == "\(round)")
        status = try await Self.replaceWorker(mounter, request, status)
        #expect(status.state == .ready && status.connection == connection && status.restarts == round)
      }
      let beneath = "\(mounter.files)/data"
      for name in ["new", "log"] { #expect(try WholeFile.text("\(beneath)/\(name)") == "word1\nword2\nword3\n") }
      let names = ["file", "lines", "log", "new", "word1", "word2", "word3"]
      #expect(try DirectoryNames.list(beneath).sorted() == names)
      withExtendedLifetime(application) {}
    }
  }

  @Test("who asks while no worker lives gets the answer from the next one", .requiresFuse)
  func askedMeanwhile() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      let status = try await mounter.mount(request)
      let worker = try PidFD(pid: try #require(status.pid))
      // Stopped, it has read nothing of what comes now, and something when it is killed in the middle.
      try worker.signal(SIGSTOP)
      async let content = mounter.read(request)
      let connection = FuseConnection(number: status.connection)
      try await OwnThread.run { try Waiting.untilAsked(connection) }
      try worker.signal(SIGKILL)
      _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
      let next = try await Self.restarted(mounter, request, after: status)
      #expect(next.restarts == 1)
      #expect(try await content == "content of data\n")
    }
  }

  @Test("a writer notices none of ten kills, and no byte is lost, doubled or wrong", .requiresFuse)
  func underLoad() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      // Writes numbers until it is given a line, and then says how many they were.
      let application = try Application(
        """
        exec 3<>"$1/load" 4>"$1/progress"; number=0
        while [ ! -e "$1/stop" ]; do number=$((number + 1)); echo "$number" >&3; done
        read -r word; echo "$number"
        """, [request.mountPoint])
      let beneath = "\(mounter.files)/data"
      for _ in 0..<10 {
        let before = (try? WholeFile.text("\(beneath)/load").utf8.count) ?? 0
        try await OwnThread.run {
          try Waiting.untilFolder(beneath) { ((try? WholeFile.text("\(beneath)/load").utf8.count) ?? 0) > before }
        }
        status = try await Self.replaceWorker(mounter, request, status)
      }
      #expect(status.restarts == 10)
      try mounter.folder.write("", to: "files/data/stop")
      let count = try #require(Int(try await application.ask("how many")))
      let written = try WholeFile.text("\(beneath)/load").split(separator: "\n").map { Int($0) }
      #expect(count >= 10 && written == (1...count).map { $0 })
    }
  }

  @Test(
    "readers with and without the page cache notice no death, whatever the cause, and every byte is right",
    .requiresFuse, arguments: [SIGKILL, SIGSEGV, SIGABRT, SIGTERM])
  func readers(_ signal: Int32) async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      try mounter.folder.write(String(repeating: "0123456789abcdef", count: 65_536), to: "files/data/big")
      var status = try await mounter.mount(request)
      let readers = try ["direct", "nonblock"].map { flag in
        try Application(
          """
          count=0
          while [ ! -e "$2/stop" ]; do
            dd if="$1/big" iflag="$3" bs=64k 2>/dev/null | cmp - "$2/big" || exit 1
            count=$((count + 1)); echo "$count" >"$2/rounds-$3"
          done
          read -r word; echo "done $word"
          """, [request.mountPoint, "\(mounter.files)/data", flag])
      }
      for _ in 0..<5 {
        let worker = try PidFD(pid: try #require(status.pid))
        try worker.signal(signal)
        _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
        status = try await Self.restarted(mounter, request, after: status)
      }
      #expect(status.history.deaths.map(\.exit) == Array(repeating: .signaled(signal), count: 5))
      try mounter.folder.write("", to: "files/data/stop")
      for reader in readers { #expect(try await reader.ask("well") == "done well") }
    }
  }

  @Test("eight kills in a row of a volume that nobody uses: each time the next worker comes at once", .requiresFuse)
  func idle() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      for _ in 0..<8 {
        let worker = try PidFD(pid: try #require(status.pid))
        try worker.signal(SIGKILL)
        var next = status
        while next.pid == status.pid || next.state != .ready {
          next = try #require(try await mounter.client.status(of: request.key, by: RunningMounter.patience))
        }
        status = next
      }
      #expect(status.restarts == 8)
      // What the mounter says when it waits before it starts the next one.
      #expect(!mounter.log.contains("in a row have ended"), "\(mounter.log)")
      #expect(try await mounter.read(request) == "content of data\n")
    }
  }

  @Test("six kills in a row while one read waits: it is answered by the seventh worker", .requiresFuse)
  func storm() async throws {
    try await RunningMounter.use { mounter in
      let request = try mounter.request("data")
      var status = try await mounter.mount(request)
      let first = try PidFD(pid: try #require(status.pid))
      try first.stopAllThreads(pid: first.pid)
      async let content = mounter.read(request)
      let connection = FuseConnection(number: status.connection)
      try await OwnThread.run { try Waiting.untilAsked(connection) }
      for _ in 0..<6 {
        let worker = try PidFD(pid: try #require(status.pid))
        try worker.signal(SIGKILL)
        _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
        // The next process, whether it serves already or not.
        var next = status
        while next.pid == status.pid || next.pid == nil {
          next = try #require(try await mounter.client.status(of: request.key, by: RunningMounter.patience))
        }
        status = next
      }
      #expect(try await content == "content of data\n")
      #expect(try await mounter.mount(request).restarts == 6)
    }
  }
}
