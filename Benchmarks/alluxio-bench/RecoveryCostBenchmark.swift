import BenchmarkCalls
import Foundation

/// What the machinery of recovery costs while nothing dies: a worker that records everything for the next one in the shared
/// state and the journal (`alluxio-fuse mount`), against one that differs in nothing else (`--without-recovery`); and, for
/// comparison, a volume of the plugin, whose worker has a cgroup, a filter of system calls and a mounter besides. All
/// without passthrough, where no worker has anything to do.
struct RecoveryCostBenchmark {
  let plugin: Plugin
  let binaries: String
  let rounds: Int

  /// The machinery may cost so much of the throughput of reads and writes. Changes of names, each of which is journalled,
  /// are shown beside.
  private static let floor = 0.97
  /// The differences are smaller than the noise of few rounds.
  private static let minimumRounds = 12

  private struct Job {
    var name: String
    var arguments: [String]
    var unit: String
    var value: (FioResult) -> Double
  }

  private static var jobs: [Job] {
    let bandwidth = { (r: FioResult) in r.bytesPerSecond / 1_048_576 }
    let rate = { (r: FioResult) in r.operationsPerSecond }
    return [
      Job(name: "sequential read 1M", arguments: ["--rw=read", "--bs=1M"], unit: "MiB/s", value: bandwidth),
      Job(name: "sequential write 1M", arguments: ["--rw=write", "--bs=1M"], unit: "MiB/s", value: bandwidth),
      Job(name: "random read 4k", arguments: ["--rw=randread", "--bs=4k", "--direct=1"], unit: "IOPS", value: rate),
      Job(name: "random write 4k", arguments: ["--rw=randwrite", "--bs=4k", "--direct=1"], unit: "IOPS", value: rate),
    ]
  }

  func run(into report: inout Report) async throws {
    let source = "file://\(plugin.underFileSystem)"
    let target = plugin.target("recovery-cost")
    let folders = ["on": "\(plugin.work)/on", "off": "\(plugin.work)/off", "volume": target]
    for folder in [folders["on"] ?? "", folders["off"] ?? "", (target as NSString).deletingLastPathComponent] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    let on = try LoneWorker(binaries: binaries, source: source, at: folders["on"] ?? "", [])
    defer { on.stop() }
    let off = try LoneWorker(binaries: binaries, source: source, at: folders["off"] ?? "", ["--without-recovery"])
    defer { off.stop() }
    let calls = CSICalls(client: plugin.client)
    try await calls.publish("recovery-cost", path: source, at: target, attributes: ["passthrough": "false"])
    let result = Result { try compare(folders, &report) }
    try await calls.unpublish("recovery-cost", at: target)
    try result.get()
  }

  private func compare(_ folders: [String: String], _ report: inout Report) throws {
    let rounds = max(rounds, Self.minimumRounds)
    let sides = ["on", "off", "volume"]
    for job in Self.jobs {
      let results = try interleaved(rounds: rounds, sides) { side in
        job.value(try FileBenchmark.fio(folders[side] ?? "", job.arguments + ["--invalidate=1"], jobs: 1, seconds: 1))
      }
      add(job.name, job.unit, results, floor: Self.floor, &report)
    }
    let metadata = MetadataBenchmark(folders: [:], rounds: rounds)
    var rates: [String: [String: [Double]]] = [:]
    _ = try interleaved(rounds: rounds, sides) { side in
      for (step, rate) in try metadata.cycle(folders[side] ?? "") {
        rates[step, default: [:]][side, default: []].append(rate)
      }
      return 0
    }
    for step in ["create", "stat", "unlink"] { add(step, "op/s", rates[step] ?? [:], floor: nil, &report) }
  }

  /// The median of what rounds say, each of which has measured all.
  private func add(
    _ name: String, _ unit: String, _ results: [String: [Double]], floor: Double?, _ report: inout Report
  ) {
    let off = results["off"] ?? []
    for (side, title, floor) in [("on", "recovery on", floor), ("volume", "volume of the plugin", nil)] {
      let values = results[side] ?? []
      report.addRatio(
        "recovery", "\(name), \(title)", median(values), unit, ratio: median(zip(values, off).map { $0 / max($1, 1) }),
        reference: "off", floor: floor)
    }
  }
}

/// `alluxio-fuse mount` in the foreground.
private struct LoneWorker {
  private let process: Process
  private let mountPoint: String

  init(binaries: String, source: String, at mountPoint: String, _ arguments: [String]) throws {
    self.mountPoint = mountPoint
    let log = "\(mountPoint).log"
    process = try Command.start(
      "\(binaries)/alluxio-fuse", ["mount", source, mountPoint, "-o", "passthrough=false"] + arguments, log: log)
    // It says so on its output, which is its log.
    for _ in 0..<500 where !Self.says(log) { usleep(10_000) }
    guard Self.says(log) else { throw BenchmarkError("alluxio-fuse mount did not mount in 5 s: see \(log)") }
  }

  private static func says(_ log: String) -> Bool {
    (try? String(contentsOfFile: log, encoding: .utf8))?.contains("is mounted at") == true
  }

  func stop() {
    umount2(mountPoint, Int32(MNT_DETACH))
    process.waitUntilExit()
  }
}
