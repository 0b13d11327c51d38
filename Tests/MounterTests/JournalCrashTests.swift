import ApplicationLoad
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Real workers that kill themselves before and after each step of operations which must not be applied twice, under an
/// application that checks every answer. `JOURNAL_CRASHES` in the environment says how many deaths; 500 and more are a
/// proof, the default shows that nothing is broken.
@Suite("workers that die in the middle of metadata operations", .serialized)
struct JournalCrashTests {
  private static let deaths = ProcessEnvironment.value(of: "JOURNAL_CRASHES").flatMap(Int.init) ?? 42

  /// A worker that dies on purpose, until there were enough deaths.
  private static func mortalWorker(in folder: TemporaryDirectory) throws -> String {
    try folder.write("", to: "deaths")
    return try folder.write(
      """
      #!/bin/sh
      export ALLUXIO_CRASH_LOG='\(folder.path)/deaths' ALLUXIO_CRASH_LIMIT=\(deaths)
      exec '\(try builtProduct("alluxio-fuse"))' "$@"

      """, to: "worker", mode: 0o755)
  }

  private static func points(_ folder: TemporaryDirectory) throws -> [Substring] {
    try WholeFile.text("\(folder.path)/deaths").split(separator: "\n")
  }

  /// Has a worker started whenever one is dead, until one lives.
  private static func replaceWorkers(
    _ mounter: RunningMounter, _ request: MountRequest, _ folder: TemporaryDirectory
  ) async throws {
    var failures = 0
    while true {
      // A worker may die before it has said that it serves.
      guard let status = try? await mounter.mount(request) else {
        failures += 1
        try #require(failures < deaths + 10, "no worker can be started")
        continue
      }
      if try points(folder).count >= deaths, let pid = status.pid, let worker = try? PidFD(pid: pid),
        try !worker.hasEnded()
      {
        return
      }
      // Gone already, or of another process by now: then the mounter tells of the next.
      guard let pid = status.pid, let worker = try? PidFD(pid: pid) else { continue }
      _ = try await OwnThread.run { try worker.hasEnded(within: Waiting.limit) }
    }
  }

  /// An application that changes names and checks the answers, until its input is closed.
  private final class Load: Sendable {
    private let process: TalkingProcess

    init(_ directory: String, threads: Int, witness: String) throws {
      process = try TalkingProcess(builtProduct("metadata-load"), [directory, "\(threads)", witness])
    }

    /// - Returns: what it printed, and how it ended.
    func finish() async throws -> (lines: [String], exit: ProcessExit?) {
      process.closeInput()
      return try await OwnThread.run { [self] in
        var lines: [String] = []
        while let line = try process.line(within: Waiting.limit) { lines.append(line) }
        return (lines, try Waiting.untilEnded(process.process))
      }
    }
  }

  @Test("no application sees an error, and nothing is done twice or not at all", .requiresFuse)
  func load() async throws {
    let folder = try TemporaryDirectory("deaths")
    try await RunningMounter.use(worker: Self.mortalWorker(in: folder)) { mounter in
      let request = try mounter.request("data")
      try mounter.folder.makeDirectory("files/data/shared")
      _ = try await mounter.mount(request)
      let witness = folder.appending("witness")
      let above = try Load(request.mountPoint, threads: 3, witness: witness)
      // Somebody else who works on the same directory without the mount.
      let beneath = try Load("\(mounter.files)/data", threads: 1, witness: witness)
      try await Self.replaceWorkers(mounter, request, folder)
      for load in [above, beneath] {
        let (lines, exit) = try await load.finish()
        #expect(exit == .exited(code: 0), "\(lines)")
        print(lines.last ?? "nothing")
      }
      let points = try Self.points(folder)
      #expect(points.count >= Self.deaths && Set(points).count == 8)
      print("\(points.count) deaths")
      // Nothing is left of what came and went, hidden names included.
      #expect(try DirectoryNames.list("\(mounter.files)/data").sorted() == ["file", "shared"])
      #expect(try DirectoryNames.list("\(mounter.files)/data/shared") == [])
    }
  }
}
