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

  @Test("no application sees an error, and nothing is done twice or not at all", .requiresFuse)
  func load() async throws {
    let folder = try TemporaryDirectory("deaths")
    try await RunningMounter.use(worker: Self.mortalWorker(in: folder)) { mounter in
      let request = try mounter.request("data")
      _ = try await mounter.mount(request)
      var (input, output) = (try Pipe(), try Pipe())
      var spawn = Spawn(
        executable: try builtProduct("metadata-load"), arguments: ["metadata-load", request.mountPoint, "3"])
      spawn.descriptors = [0: input.reader.rawValue, 1: output.writerNumber]
      let load = try spawn.start()
      output.closeWriter()
      try await Self.replaceWorkers(mounter, request, folder)
      input.closeWriter()
      let reader = output.reader
      let text = try await OwnThread.run { String(decoding: try reader.descriptor.readToEnd(), as: UTF8.self) }
      #expect(try load.wait() == .exited(code: 0), "\(text)")
      let points = try Self.points(folder)
      #expect(points.count >= Self.deaths && Set(points).count == 7)
      // Nothing is left of what came and went, hidden names included.
      #expect(try DirectoryNames.list("\(mounter.files)/data") == ["file"])
      print("\(points.count) deaths: \(text.split(separator: "\n").last ?? "")")
    }
  }
}
