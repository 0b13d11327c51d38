import CSIDriver
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// `alluxio-csi status`.
@Suite("Status of a node", .serialized)
struct StatusTests {
  private func run(_ arguments: [String]) throws -> (exit: ProcessExit?, output: String) {
    let folder = try TemporaryDirectory("status")
    let log = try Descriptor.open(folder.appending("log"), O_WRONLY | O_CREAT, mode: 0o600)
    var spawn = Spawn(
      executable: try builtProduct("alluxio-csi"), arguments: ["alluxio-csi", "status"] + arguments, environment: [])
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    let exit = try Waiting.untilEnded(try spawn.start())
    return (exit, try WholeFile.text(folder.appending("log")))
  }

  @Test("where no mounter answers one sentence says so, and what to do")
  func nobody() throws {
    let (exit, output) = try run(["--state-dir", "/nowhere"])
    #expect(exit == .exited(code: 64))
    #expect(output.contains("no mounter answers at /nowhere/mounter/mounter.sock"), "\(output)")
    #expect(output.contains("--mounter-socket"))
  }

  @Test(
    "a volume is listed with its worker, restarts, their causes and its targets, in words and as JSON", .requiresFuse)
  func lists() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context, readOnly: true)
      let status = try #require(try await plugin.mounter.list(by: .after(.patient)).first)
      let worker = try PidFD(pid: try #require(status.pid))
      try worker.signal(SIGKILL)
      _ = try Waiting.untilEnded(worker)
      _ = try DirectoryNames.list(plugin.target("a"))
      let state = ["--state-dir", plugin.folder.appending("state")]
      let text = try run(state).output
      for part in [
        "volume v: file://\(plugin.data)", "restarts       1: SIGKILL, ", "KiB resident", "longest pause  ",
        "target         \(plugin.target("a"))\n", "target         \(plugin.target("b")) (read-only)",
        "custody        complete: alluxio-csi ",
      ] { #expect(text.contains(part), "\(part): \(text)") }
      let json = try run(state + ["--json"]).output
      for part in [
        "\"cause\" : \"SIGKILL\"", "\"restarts\" : 1", "\"residentBytes\" : ", "\"volumeID\" : \"v\"",
        "\"isComplete\" : true",
      ] {
        #expect(json.contains(part), "\(part): \(json)")
      }
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try run(state).output == "no volume is mounted on this node\n")
    }
  }

  @Test("a volume with records that the mounter does not have is abnormal")
  func unserved() async throws {
    let mounter = HollowMounter()
    let node = try await NodeFixture(mounter: mounter)
    let plan = try PublishPlan(node.request(at: "a"), configuration: node.configuration)
    let report = NodeReport(statuses: [], records: [TargetRecord(plan, madeFolder: false)])
    #expect(report.volumes.map(\.condition.abnormal) == [true])
    #expect(report.volumes.first?.targets.map(\.path) == [node.target("a")])
  }

  @Test("what a worker of an object store has counted is told in a few lines, and as JSON")
  func counters() throws {
    var status = WorkerStatus(
      request: MountRequest(
        key: WorkerKey(volumeID: "v"), underFileSystem: try UnderFileSystemURI(parsing: "s3://bucket/p"),
        mountPoint: "/m", fileRoots: [], options: WorkerOptions()),
      state: .ready, pid: nil, connection: 1)
    #expect(!NodeReport(statuses: [status], records: []).description.contains("page store"))
    var counters = VolumeCounters()
    (counters.hits, counters.misses, counters.readAheadWaste) = (973, 27, 12 << 20)
    (counters.bytesFromCache, counters.bytesFromUnderFileSystem) = (12_670_153_523, 320 << 20)
    (counters.cachedBytes, counters.cacheLimit, counters.evictedPages) = (9 << 30, 10 << 30, 120)
    (counters.openFiles, counters.memoryInUse, counters.memoryBudget, counters.hiddenKeys) = (3, 900, 64 << 20, 2)
    counters.cacheProblem = "no space left on device"
    counters.requests = [.init(kind: "GetObject"), .init(kind: "ListObjectsV2")]
    counters.requests[0].outcomes = [.init("200", 318), .init("503", 2)]
    (counters.requests[0].medianMicroseconds, counters.requests[0].p99Microseconds) = (12_449, 80_000)
    status.counters = counters
    status.credentialProblem = "the key is unknown"
    let report = NodeReport(statuses: [status], records: [])
    for line in [
      "  credentials    NOT USED: the key is unknown\n", "  hits           97.3 % of 1000 reads\n",
      "  read           11.8 GiB from cache, 320.0 MiB from the store; 12.0 MiB read ahead in vain\n",
      "  page store     9.0 GiB of 10.0 GiB; 120 pages evicted; NOT USED: no space left on device\n",
      "  in use         3 open files, 900 B of 64.0 MiB for reads; 2 keys that cannot be names are hidden\n",
      "  requests       GetObject 320 (200: 318, 503: 2), p50 12.4 ms, p99 80.0 ms\n                 ListObjectsV2 0",
    ] { #expect(report.description.contains(line), "\(line): \(report)") }
    let json = try report.json()
    for part in ["\"hitRate\" : 0.973", "\"code\" : \"503\"", "\"credentialProblem\" : ", "\"hiddenKeys\" : 2"] {
      #expect(json.contains(part), "\(part): \(json)")
    }
  }

  @Test("the flags in the README are those of the program")
  func documented() throws {
    let readme = try WholeFile.text("\(BuildFolder.sources())/README.md")
    let start = try #require(readme.firstRange(of: "<!-- status flags"))
    let end = try #require(readme.firstRange(of: "<!-- end of status flags"))
    let documented = readme[start.upperBound..<end.lowerBound].split(separator: "\n").compactMap { line in
      line.hasPrefix("| `--") ? line.dropFirst(3).prefix { $0 != "`" } : nil
    }
    let help = try run(["--help"]).output
    let offered = help.split(separator: "\n").compactMap { line -> Substring? in
      let flag = line.drop { $0 == " " }.prefix { $0 != " " }
      return flag.hasPrefix("--") && flag != "--version" ? flag : nil
    }
    #expect(documented == offered)
  }
}
