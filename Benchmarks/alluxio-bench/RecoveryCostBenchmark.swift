import BenchmarkCalls
import Foundation

/// What the machinery of recovery costs while nothing dies: a volume of the plugin, with mounter, its parent, custody, a
/// worker in waiting and the journal, against a worker that serves alone and records nothing for a next one
/// (`alluxio-fuse mount --without-recovery`). Both without passthrough, where neither worker has anything to do. Files are
/// made without a name first by both, as that is how the file system makes them.
struct RecoveryCostBenchmark {
  let plugin: Plugin
  let binaries: String
  let rounds: Int

  /// The machinery may cost so much of the throughput.
  private static let floor = 0.97

  func run(into report: inout Report) async throws {
    let alone = "\(plugin.work)/alone"
    let target = plugin.target("recovery-cost")
    for folder in [alone, (target as NSString).deletingLastPathComponent] {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    let source = "file://\(plugin.underFileSystem)"
    let server = try LoneWorker(binaries: binaries, source: source, at: alone, log: "\(plugin.work)/alone.log")
    defer { server.stop() }
    let calls = CSICalls(client: plugin.client)
    try await calls.publish("recovery-cost", path: source, at: target, attributes: ["passthrough": "false"])
    let result = Result { try compare(on: target, off: alone, &report) }
    try await calls.unpublish("recovery-cost", at: target)
    try result.get()
  }

  private func compare(on: String, off: String, _ report: inout Report) throws {
    let bandwidth = { (r: FioResult) in r.bytesPerSecond / 1_048_576 }
    let rate = { (r: FioResult) in r.operationsPerSecond }
    let jobs: [(name: String, arguments: [String], unit: String, value: (FioResult) -> Double)] = [
      ("sequential read 1M", ["--rw=read", "--bs=1M"], "MiB/s", bandwidth),
      ("sequential write 1M", ["--rw=write", "--bs=1M"], "MiB/s", bandwidth),
      ("random read 4k", ["--rw=randread", "--bs=4k", "--direct=1"], "IOPS", rate),
      ("random write 4k", ["--rw=randwrite", "--bs=4k", "--direct=1"], "IOPS", rate),
    ]
    for job in jobs {
      let results = try interleaved(rounds: rounds, ["on", "off"]) { side in
        let arguments = job.arguments + ["--invalidate=1"]
        return job.value(try FileBenchmark.fio(side == "on" ? on : off, arguments, jobs: 1))
      }
      add(job.name, job.unit, results, &report)
    }
    let metadata = MetadataBenchmark(folders: [:], rounds: rounds)
    var rates: [String: [String: [Double]]] = [:]
    _ = try interleaved(rounds: rounds, ["on", "off"]) { side in
      for (step, rate) in try metadata.cycle(side == "on" ? on : off) {
        rates[step, default: [:]][side, default: []].append(rate)
      }
      return 0
    }
    for step in ["create", "stat", "unlink"] { add(step, "op/s", rates[step] ?? [:], &report) }
  }

  /// The median of what rounds say, each of which has measured both.
  private func add(_ name: String, _ unit: String, _ results: [String: [Double]], _ report: inout Report) {
    let (on, off) = (results["on"] ?? [], results["off"] ?? [])
    report.addRatio(
      "recovery", "\(name), recovery on", median(on), unit, ratio: median(zip(on, off).map { $0 / max($1, 1) }),
      reference: "off", floor: Self.floor)
  }
}

/// `alluxio-fuse mount` in the foreground, recording nothing.
private struct LoneWorker {
  private let process: Process
  private let mountPoint: String

  init(binaries: String, source: String, at mountPoint: String, log: String) throws {
    self.mountPoint = mountPoint
    process = try Command.start(
      "\(binaries)/alluxio-fuse", ["mount", source, mountPoint, "-o", "passthrough=false", "--without-recovery"],
      log: log)
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
