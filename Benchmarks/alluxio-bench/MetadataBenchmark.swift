import Foundation

/// Create, stat and unlink of empty files, and a walk of a folder with many entries.
struct MetadataBenchmark {
  let folders: [String: String]
  let rounds: Int
  private let files = 2_000

  func run(into report: inout Report) throws {
    let names = folders.keys.sorted()
    var rates: [String: [String: [Double]]] = [:]
    for step in ["create", "stat", "readdir", "unlink"] { rates[step] = [:] }
    _ = try interleaved(rounds: rounds, names) { name in
      for (step, rate) in try cycle(folders[name] ?? "") { rates[step, default: [:]][name, default: []].append(rate) }
      return 0
    }
    for (step, floor) in [("create", 0.7), ("stat", 0.7), ("readdir", nil), ("unlink", 0.7)] as [(String, Double?)] {
      let ours = rates[step]?["mount"] ?? []
      for reference in names where reference != "mount" {
        let ratios = zip(ours, rates[step]?[reference] ?? []).map { $0 / max($1, 1) }
        report.addRatio(
          "metadata", step, median(ours), "op/s", ratio: median(ratios), reference: reference,
          floor: reference == "passthrough_ll" ? floor : nil)
      }
    }
  }

  /// - Returns: operations per second of each step.
  func cycle(_ folder: String) throws -> [(String, Double)] {
    let directory = "\(folder)/metadata"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { rmdir(directory) }
    let paths = (0..<files).map { "\(directory)/file-\($0)" }
    let create = try rate("create", paths) { path in
      let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY, 0o644)
      guard descriptor >= 0 else { return false }
      return close(descriptor) == 0
    }
    let stat = try rate("stat", paths) { path in
      var buffer = Glibc.stat()
      return lstat(path, &buffer) == 0
    }
    let listing = try rate("readdir", [directory]) { path in
      guard let stream = opendir(path) else { return false }
      defer { closedir(stream) }
      var entries = 0
      while Glibc.readdir(stream) != nil { entries += 1 }
      return entries == files + 2
    }
    let unlink = try rate("unlink", paths) { Glibc.unlink($0) == 0 }
    return [("create", create), ("stat", stat), ("readdir", listing * Double(files)), ("unlink", unlink)]
  }

  private func rate(_ step: String, _ paths: [String], _ body: (String) -> Bool) throws -> Double {
    let start = ContinuousClock.now
    for path in paths where !body(path) {
      throw BenchmarkError("\(step) of \(path) failed: \(String(cString: strerror(errno)))")
    }
    let elapsed = ContinuousClock.now - start
    return Double(paths.count) / max(elapsed / .seconds(1), 1e-9)
  }
}
