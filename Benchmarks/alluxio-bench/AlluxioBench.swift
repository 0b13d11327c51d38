import ArgumentParser
import BenchmarkCalls
import Foundation

/// Measures the driver and its neighbours in one run: the ratios count, the absolute times are the machine's.
@main
struct AlluxioBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-bench", abstract: "Benchmarks of the Alluxio CSI driver.")

  @Option(help: "Folder with the release binaries.") var binaries = ".build/release"
  @Option(help: "Where the results are written as JSON.") var json = ".build/bench.json"
  @Option(help: "Folder for the under file system; memory-backed, so that the disk does not decide.") var data =
    "/dev/shm"
  @Option(help: "Rounds of each comparison.") var rounds = 5
  @Option(help: "Volumes of the memory measurement.") var volumes = 100
  @Option(help: "Comma-separated groups: rpc, publish, recovery, file, metadata, objects.") var only =
    "rpc,publish,recovery,file,metadata,objects"
  @Option(help: "Comma-separated rows of the group objects.") var objectRows = ObjectsBenchmark.allRows

  @Option(help: .hidden) var bareServer: String?

  func run() async throws {
    if let bareServer { return try await BareServer.serve(bareServer) }
    guard getuid() == 0 else { throw ValidationError("run as root: the benchmark mounts file systems") }
    let groups = Set(only.split(separator: ",").map(String.init))
    let work = try temporaryFolder(in: "/tmp")
    let ufs = try temporaryFolder(in: data)
    var report = Report()
    let plugin = try await Plugin(binaries: binaries, work: work, ufs: ufs)
    do {
      // First, so that the memory is that of a plugin at rest.
      if groups.contains("publish") { try await PublishBenchmark(plugin: plugin, volumes: volumes).run(into: &report) }
      if groups.contains("recovery") {
        try await RecoveryCostBenchmark(plugin: plugin, binaries: binaries, rounds: rounds).run(into: &report)
        try await RecoveryBenchmark(plugin: plugin).run(into: &report)
      }
      if groups.contains("rpc") { try await RPCBenchmark(plugin: plugin, rounds: rounds).run(into: &report) }
      if !groups.isDisjoint(with: ["file", "metadata"]) { try await fileGroups(groups, plugin, ufs, &report) }
      if groups.contains("objects") {
        let rows = Set(objectRows.split(separator: ",").map(String.init))
        try await ObjectsBenchmark(
          binaries: binaries, work: work, data: ufs, rounds: rounds, plugin: plugin, rows: rows
        ).run(into: &report)
      }
    } catch {
      await finish(plugin, work, ufs)
      throw error
    }
    await finish(plugin, work, ufs)
    report.printTable()
    try report.write(to: json)
    print("\nwritten to \(json)")
  }

  private func fileGroups(_ groups: Set<String>, _ plugin: Plugin, _ ufs: String, _ report: inout Report) async throws {
    let example = try PassthroughExample(showing: ufs, work: plugin.work)
    defer { example.stop() }
    let calls = CSICalls(client: plugin.client)
    // With passthrough, as is the default, and without.
    let volumes = [("files", "true"), ("files-served", "false")]
    for (name, passthrough) in volumes {
      let target = plugin.target(name)
      try FileManager.default.createDirectory(
        atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try await calls.publish(name, path: "file://\(ufs)", at: target, attributes: ["passthrough": passthrough])
    }
    let folders = FileBenchmark.Folders(
      passthrough: plugin.target("files"), served: plugin.target("files-served"), native: ufs,
      example: example.mountPoint)
    let result = Result {
      if groups.contains("file") { try FileBenchmark(folders: folders, rounds: rounds).run(into: &report) }
      if groups.contains("metadata") {
        let mounts = ["mount": folders.passthrough, "native": ufs, "passthrough_ll": example.mountPoint]
        try MetadataBenchmark(folders: mounts, rounds: rounds).run(into: &report)
      }
    }
    for (name, _) in volumes { try await calls.unpublish(name, at: plugin.target(name)) }
    try result.get()
  }

  private func temporaryFolder(in parent: String) throws -> String {
    var template = Array("\(parent)/alluxio-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw BenchmarkError("cannot make a folder in \(parent)") }
    return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private func finish(_ plugin: Plugin, _ work: String, _ ufs: String) async {
    await plugin.stop()
    for folder in [work, ufs] { try? FileManager.default.removeItem(atPath: folder) }
  }
}
