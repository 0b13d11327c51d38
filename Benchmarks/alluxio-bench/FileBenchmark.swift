import Foundation

/// Reads and writes through the driver's mount with and without passthrough, through libfuse's own `passthrough_ll` (which
/// has none), and without FUSE, in turn.
struct FileBenchmark {
  /// One folder of the under file system, seen through each of them.
  struct Folders {
    var passthrough: String
    var served: String
    var native: String
    var example: String
  }

  let folders: Folders
  let rounds: Int

  private struct Job {
    var name: String
    var arguments: [String]
    var jobs = 1
    /// With passthrough against the plain file, from the issue of record; nil: shown only.
    var floor: Double?
    var unit = "IOPS"
    var value: (FioResult) -> Double = { $0.operationsPerSecond }
  }

  /// Without passthrough against `passthrough_ll`, from the issue of record.
  private static let servedFloor = 0.95

  private var jobs: [Job] {
    let bandwidth = { (r: FioResult) in r.bytesPerSecond / 1_048_576 }
    return [
      Job(
        name: "sequential read 1M", arguments: ["--rw=read", "--bs=1M"], floor: 0.7, unit: "MiB/s", value: bandwidth),
      Job(name: "sequential write 1M", arguments: ["--rw=write", "--bs=1M"], unit: "MiB/s", value: bandwidth),
      Job(name: "random read 4k", arguments: ["--rw=randread", "--bs=4k"], floor: 0.75),
      Job(name: "random read 4k ×4", arguments: ["--rw=randread", "--bs=4k"], jobs: 4, floor: 0.75),
      Job(name: "random write 4k", arguments: ["--rw=randwrite", "--bs=4k"]),
      Job(name: "random write 4k ×4", arguments: ["--rw=randwrite", "--bs=4k"], jobs: 4),
    ]
  }

  func run(into report: inout Report) throws {
    for job in jobs {
      // What asks the worker each time, against what asks another one: past the page cache of the mount.
      let past = job.name.hasPrefix("random") ? ["--direct=1"] : []
      try compare(
        job, folders.served, folders.example, past + ["--invalidate=1"], name: job.name, reference: "passthrough_ll",
        floor: Self.servedFloor, &report)
      // Both use the page cache of the file itself, which is all there is of it: it is kept.
      try compare(
        job, folders.passthrough, folders.native, ["--invalidate=0"], name: "\(job.name), passthrough",
        reference: "native", floor: job.floor, &report)
    }
  }

  private func compare(
    _ job: Job, _ folder: String, _ other: String, _ arguments: [String], name: String, reference: String,
    floor: Double?, _ report: inout Report
  ) throws {
    let results = try interleaved(rounds: rounds, ["mount", reference]) { side in
      job.value(try Self.fio(side == "mount" ? folder : other, job.arguments + arguments, jobs: job.jobs))
    }
    let ours = results["mount"] ?? []
    let ratios = zip(ours, results[reference] ?? []).map { $0 / max($1, 1) }
    report.addRatio(
      "file", name, median(ours), job.unit, ratio: median(ratios), reference: reference, floor: floor)
  }

  static func fio(_ folder: String, _ arguments: [String], jobs: Int, seconds: Int = 3) throws -> FioResult {
    let output = try Command.output(
      "fio",
      [
        "--name=bench", "--directory=\(folder)", "--filename=bench.dat", "--size=256M", "--runtime=\(seconds)",
        "--time_based", "--ioengine=psync", "--numjobs=\(jobs)", "--group_reporting", "--output-format=json",
        "--fallocate=none",
      ] + arguments)
    return try JSONDecoder().decode(FioResult.self, from: output)
  }
}

/// The part of fio's JSON output that is read here.
struct FioResult: Decodable {
  struct Side: Decodable {
    // fio's own name.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    var bw_bytes: Double
    var iops: Double
  }
  struct Job: Decodable {
    var read: Side
    var write: Side
  }
  var jobs: [Job]

  var bytesPerSecond: Double { jobs.reduce(0) { $0 + $1.read.bw_bytes + $1.write.bw_bytes } }
  var operationsPerSecond: Double { jobs.reduce(0) { $0 + $1.read.iops + $1.write.iops } }
}
