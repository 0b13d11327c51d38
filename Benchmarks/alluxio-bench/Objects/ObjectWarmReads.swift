import Foundation

/// What is in the page store already, through a mount whose kernel cache is empty, against a file on the same disk through
/// the same driver.
struct ObjectWarmReads {
  let scene: ObjectScene
  private static let reads = 20_000

  func run(into report: inout Report) throws {
    let folder = try scene.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let source = "\(folder)/files"
    try ObjectData.makeFolder(source)
    try FileManager.default.copyItem(
      atPath: "\(scene.data)/\(ObjectData.large)/\(ObjectData.largeFile)", toPath: "\(source)/\(ObjectData.largeFile)")
    let passes = try fill("\(folder)/pages", in: "\(folder)/filling")
    report.add("objects", "cold passes until all is in the page store", Double(passes), "")
    try compare("warm", source, folder, isPassed: false, &report)
    try copy(in: folder, "\(folder)/copying")
    try compare("cachePassthrough,", source, folder, isPassed: true, &report)
  }

  /// - Parameter isPassed: the kernel reads itself, copies of cached objects and files of a directory, both in its page cache.
  ///   Else the processes serve, whom O_DIRECT asks for each of the random reads.
  private func compare(
    _ label: String, _ source: String, _ folder: String, isPassed: Bool, _ report: inout Report
  ) throws {
    var times: [String: [String: [Double]]] = [:]
    for round in 0..<scene.rounds {
      for name in round % 2 == 0 ? ["ours", "file://"] : ["file://", "ours"] {
        let work = "\(folder)/\(name == "ours" ? "ours" : "file")-\(isPassed)-\(round)"
        let mount =
          name == "ours"
          ? try ObjectMount.start(
            .ours, ObjectData.large, of: scene.real, scene.programs, in: work, pages: "\(folder)/pages",
            isPassed: isPassed)
          : try ObjectMount.directory(source, scene.programs, in: work, isPassed: isPassed)
        defer { mount.stop() }
        let file = "\(mount.path)/\(ObjectData.largeFile)"
        if isPassed { _ = try FileAccess.sequential(file, size: ObjectData.largeSize) }
        times["sequential", default: [:]][name, default: []].append(
          try FileAccess.sequential(file, size: ObjectData.largeSize))
        times["random", default: [:]][name, default: []].append(
          try FileAccess.random(file, size: ObjectData.largeSize, reads: Self.reads, direct: !isPassed))
      }
    }
    let names = ["ours", "file://"]
    scene.add(
      "\(label) sequential read", names, times["sequential"] ?? [:], unit: "MiB/s", floors: ["file://": 0.9],
      to: &report
    ) { Double(ObjectData.largeSize) / 1_048_576 / $0 }
    scene.add(
      "\(label) random read 4k", names, times["random"] ?? [:], unit: "IOPS", floors: ["file://": 0.9], to: &report
    ) { Double(Self.reads) / $0 }
  }

  /// Opens the file until there is a copy for the next time.
  private func copy(in folder: String, _ work: String) throws {
    let mount = try ObjectMount.start(
      .ours, ObjectData.large, of: scene.real, scene.programs, in: work, pages: "\(folder)/pages", isPassed: true)
    defer { mount.stop() }
    _ = try FileAccess.sequential("\(mount.path)/\(ObjectData.largeFile)", size: ObjectData.largeSize)
    for _ in 0..<600 {
      if Self.allocated("\(folder)/pages") >= 2 * ObjectData.largeSize { return }
      usleep(100_000)
    }
    throw BenchmarkError("no copy of \(ObjectData.largeFile) was made")
  }

  /// Reads the file until the page store has all of it. - Returns: how often.
  private func fill(_ pages: String, in folder: String) throws -> Int {
    var isFull = false
    for pass in 1...20 {
      let mount = try ObjectMount.start(
        .ours, ObjectData.large, of: scene.real, scene.programs, in: "\(folder)-\(pass)", pages: pages)
      defer { mount.stop() }
      _ = try FileAccess.sequential("\(mount.path)/\(ObjectData.largeFile)", size: ObjectData.largeSize)
      usleep(500_000)
      // The pass after that reads what may be on the disk alone, as the other side's file is not.
      if isFull { return pass - 1 }
      // Checksums included: not one page is missing.
      isFull = Self.allocated(pages) >= ObjectData.largeSize + ObjectData.largeSize / 512
    }
    return 20
  }

  /// Bytes that the folder's files take.
  private static func allocated(_ folder: String) -> Int {
    var total = 0
    let names = FileManager.default.enumerator(atPath: folder)
    while let name = names?.nextObject() as? String {
      var status = stat()
      if lstat("\(folder)/\(name)", &status) == 0 { total += Int(status.st_blocks) * 512 }
    }
    return total
  }
}
