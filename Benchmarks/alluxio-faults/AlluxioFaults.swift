import ArgumentParser
import Foundation
import LinuxSystem

/// Ends processes of the driver again and again under applications, and counts what these notice: nothing but a pause.
@main
struct AlluxioFaults: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-faults", abstract: "The fault matrix of the Alluxio CSI driver.")

  @Option(help: "Folder with the programs.") var binaries = ".build/release"
  @Option(help: "Where the results are written as JSON.") var json: String?
  @Option(help: "Where the results are written as a table.") var table: String?
  @Flag(help: "Every cell that holds, in one arrangement and with few faults.") var short = false
  @Option(help: "Milliseconds from one fault to the next.") var interval: Int?
  @Option(help: "Faults of each cell.") var faults: Int?
  @Option(help: "Only cells whose name contains this.") var only: String?

  @Option(help: .hidden) var cell: String?
  @Option(help: .hidden) var folder: String?
  @Option(help: .hidden) var load: String?
  @Option(help: .hidden) var loadKind = "all"
  @Option(help: .hidden) var tolerated = ""
  @Option(help: .hidden) var lockProbe: String?

  func run() async throws {
    if let lockProbe { LockProbe.serve(path: lockProbe) }
    if let load {
      let errors = Set(tolerated.split(separator: ",").compactMap { CInt($0) })
      LoadProcess(folder: load, kind: LoadKind(rawValue: loadKind) ?? .all, tolerated: errors).run()
    }
    if let cell, let folder { return try await run(cell, in: folder) }
    guard getuid() == 0 else { throw ValidationError("run as root: the matrix mounts file systems") }
    try runCells()
  }

  // MARK: All of them

  private func runCells() throws {
    try CellProcess.catchInterruptions()
    var report = FaultReport()
    print("\(report.machine)\(VerifiedIO.program == nil ? ", fio is not installed" : "")")
    for cell in short ? Cell.short : Cell.all where only.map({ cell.name.contains($0) }) ?? true {
      if cell.disk == .own, !Freezer.canMakeDisk {
        report.cells.append(CellResult(name: cell.name, failure: "there is no ext4 on a loop device", isRun: false))
        continue
      }
      let result = try CellProcess(cell: cell, arguments: passedOn).run()
      let pauses = [0.5, 0.99, 1].map { String(format: "%.0f", result.pause($0)) }.joined(separator: "/")
      print(
        "\(result.verdict)\t\(cell.name): \(result.faults) faults, \(result.operations) operations, "
          + "\(result.applicationErrors) errors, \(result.wrongBytes) wrong, pause \(pauses) ms (\(result.longest))")
      report.cells.append(result)
    }
    if only == nil {
      for cell in Cell.missing {
        report.cells.append(CellResult(name: cell.name, failure: cell.reason, isRun: false))
      }
    }
    try finish(report)
  }

  private var passedOn: [String] {
    ["--binaries", binaries.hasPrefix("/") ? binaries : FileManager.default.currentDirectoryPath + "/" + binaries]
      + (interval.map { ["--interval", "\($0)"] } ?? []) + (faults.map { ["--faults", "\($0)"] } ?? [])
      + (short ? ["--short"] : [])
  }

  private func finish(_ report: FaultReport) throws {
    print("\n\(report.machine), \(report.date)\n\n\(report.table())")
    if let json { try report.write(to: json) }
    if let table {
      try "\(report.machine), \(report.date)\n\n\(report.table())\n".write(
        toFile: table, atomically: true, encoding: .utf8)
    }
    let failed = report.cells.filter { $0.isRun && !$0.holds && $0.open == nil }
    if !failed.isEmpty {
      print("\nFAILED: \(failed.map(\.name).joined(separator: "; "))")
      throw ExitCode.failure
    }
    if report.cells.filter(\.isRun).isEmpty { throw ValidationError("no cell was run") }
  }

  // MARK: One, in namespaces of its own

  private func run(_ name: String, in path: String) async throws {
    guard let cell = Cell.all.first(where: { $0.name == name }) else { throw ValidationError("no cell \(name)") }
    try CellProcess.endWithStarter(thawing: path)
    let result = await CellRun(
      cell: cell, binaries: binaries, folder: path,
      repetitions: faults ?? (short ? cell.repetitions.short : cell.repetitions.full),
      interval: .milliseconds(interval ?? (short ? 250 : 1_000))
    ).run()
    try JSONEncoder().encode(result).write(to: URL(fileURLWithPath: "\(path)/result.json"))
  }
}
