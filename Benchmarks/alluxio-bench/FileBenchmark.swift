import Foundation

/// Reads and writes through the driver's mount, through libfuse's own `passthrough_ll`, and without FUSE, in turn.
struct FileBenchmark {
  /// Folder of the under file system seen through each of them, by name.
  let folders: [String: String]
  let rounds: Int

  private struct Job {
    var name: String
    var arguments: [String]
    var jobs: Int
    /// Against `passthrough_ll`, from the issue of record; nil: shown only.
    var floor: Double?
    var unit: String
    var value: (FioResult) -> Double
  }

  private var jobs: [Job] {
    let bandwidth = { (r: FioResult) in r.bytesPerSecond / 1_048_576 }
    let operations = { (r: FioResult) in r.operationsPerSecond }
    return [
      Job(
        name: "sequential read 1M", arguments: ["--rw=read", "--bs=1M", "--invalidate=1"], jobs: 1, floor: 0.95,
        unit: "MiB/s", value: bandwidth),
      Job(
        name: "sequential write 1M", arguments: ["--rw=write", "--bs=1M"], jobs: 1, floor: 0.95, unit: "MiB/s",
        value: bandwidth),
      Job(
        name: "random read 4k", arguments: ["--rw=randread", "--bs=4k", "--direct=1"], jobs: 1, floor: 0.95,
        unit: "IOPS",
        value: operations),
      Job(
        name: "random read 4k ×4", arguments: ["--rw=randread", "--bs=4k", "--direct=1"], jobs: 4, floor: 0.95,
        unit: "IOPS",
        value: operations),
      Job(
        name: "random write 4k", arguments: ["--rw=randwrite", "--bs=4k", "--direct=1"], jobs: 1, floor: 0.95,
        unit: "IOPS",
        value: operations),
      Job(
        name: "random write 4k ×4", arguments: ["--rw=randwrite", "--bs=4k", "--direct=1"], jobs: 4, floor: 0.95,
        unit: "IOPS",
        value: operations),
    ]
  }

  func run(into report: inout Report) throws {
    let names = folders.keys.sorted()
    for job in jobs {
      let results = try interleaved(rounds: rounds, names) { name in
        // Without FUSE there is no O_DIRECT on tmpfs, and dropping its cache would drop the data: the plain file is the
        // bound.
        let plain = name == "native"
        let arguments = job.arguments.filter { !plain || !($0.hasPrefix("--direct") || $0.hasPrefix("--invalidate")) }
        return job.value(try fio(folders[name] ?? "", arguments + (plain ? ["--invalidate=0"] : []), jobs: job.jobs))
      }
      let ours = results["mount"] ?? []
      for reference in names where reference != "mount" {
        let ratios = zip(ours, results[reference] ?? []).map { $0 / max($1, 1) }
        report.addRatio(
          "file", job.name, median(ours), job.unit, ratio: median(ratios), reference: reference,
          floor: reference == "passthrough_ll" ? job.floor : nil)
      }
    }
  }

  private func fio(_ folder: String, _ arguments: [String], jobs: Int) throws -> FioResult {
    let output = try Command.output(
      "fio",
      [
        "--name=bench", "--directory=\(folder)", "--filename=bench.dat", "--size=256M", "--runtime=3", "--time_based",
        "--ioengine=psync", "--numjobs=\(jobs)", "--group_reporting", "--output-format=json", "--fallocate=none",
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
