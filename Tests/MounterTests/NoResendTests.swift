import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Kernels before 6.9, which cannot send a request a second time: the mounter pretends to be on one.
@Suite("On a kernel that cannot send requests again", .serialized, .requiresFuse)
struct NoResendTests {
  private static let arguments = ["--without-resend", "--notice-after", "0.2"]

  /// A worker that dies once, with a request in its hands.
  private static func mortalWorker(in folder: TemporaryDirectory) throws -> String {
    try folder.write("", to: "deaths")
    return try folder.write(
      """
      #!/bin/sh
      export ALLUXIO_CRASH_LOG='\(folder.path)/deaths' ALLUXIO_CRASH_LIMIT=1
      exec '\(try builtProduct("alluxio-fuse"))' "$@"

      """, to: "worker", mode: 0o755)
  }

  @Test("the mounter says so once, however many volumes it mounts")
  func saidOnce() async throws {
    try await RunningMounter.use(arguments: Self.arguments) { mounter in
      for name in ["a", "b"] { _ = try await mounter.mount(try mounter.request(name)) }
      #expect(mounter.log.split(separator: "\n").filter { $0.contains("cannot send requests again") }.count == 1)
    }
  }

  @Test("a request that no worker had read is answered by the next one, and open files go on")
  func unread() async throws {
    try await RunningMounter.use(arguments: Self.arguments) { mounter in
      let request = try mounter.request("data")
      let first = try await mounter.mount(request)
      let application = try Application(
        "cd \"$1\"; exec 3>>log; while read -r word; do echo \"$word\" >&3; cat log; done", [request.mountPoint])
      #expect(try await application.ask("one") == "one")
      let worker = try PidFD(pid: try #require(first.pid))
      try worker.stopAllThreads(pid: worker.pid)
      async let content = mounter.read(request)
      let connection = FuseConnection(number: first.connection)
      try await OwnThread.run { try Waiting.untilAsked(connection) }
      try worker.signal(SIGKILL)
      #expect(try await content == "content of data\n")
      let second = try await mounter.mount(request)
      #expect(second.state == .ready && second.restarts == 1 && second.connection == first.connection)
      #expect(try await application.ask("two") == "one")
      #expect(try WholeFile.text("\(mounter.files)/data/log") == "one\ntwo\n")
      try await application.end()
    }
  }

  @Test("a request that the dead worker had read has no answer, the condition says so, and unmounting frees who waits")
  func read() async throws {
    let folder = try TemporaryDirectory("deaths")
    try await RunningMounter.use(worker: Self.mortalWorker(in: folder), arguments: Self.arguments) { mounter in
      let request = try mounter.request("data")
      // Of its own: who changes a directory has the kernel's lock on it until the answer comes.
      try mounter.folder.makeDirectory("files/data/changed")
      var events = mounter.client.events.makeAsyncIterator()
      _ = try await mounter.mount(request)
      // Sooner or later one of them is in the hands of the worker that dies.
      let application = try Application(
        "while mkdir \"$1/changed/directory\" 2>/dev/null && rmdir \"$1/changed/directory\" 2>/dev/null; do :; done",
        [request.mountPoint])
      var reason = ""
      while !reason.contains("will have no answer"), let event = await events.next() {
        if case .changed(let status) = event, case .interrupted(let words) = status.state { reason = words }
      }
      #expect(reason.contains("a request that a dead worker had read") && reason.contains("older than 6.9"))
      let status = try await mounter.mount(request)
      #expect(status.restarts == 1 && status.condition(at: Deadline.now.nanoseconds / 1_000_000).abnormal)
      // All others are answered.
      #expect(try await mounter.read(request) == "content of data\n")
      #expect(mounter.log.contains("will have no answer"))
      try await mounter.unmount(request, abandoningUsers: true)
      try await application.end()
      #expect(try !mounter.isMounted(request))
      #expect(try await mounter.client.list(by: RunningMounter.patience).isEmpty)
    }
  }
}
