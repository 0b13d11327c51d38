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
