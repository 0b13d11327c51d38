import ArgumentParser
import Foundation
import LinuxSystem

/// Ends processes of the driver again and again under applications, and counts what these notice: nothing but a pause.
@main
struct AlluxioFaults: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-faults",
    abstract: "The fault matrix of the Alluxio CSI driver. Mounts: run it in a mount namespace of its own.")

  @Option(help: "Folder with the programs.") var binaries = ".build/release"
  @Option(help: "Where the results are written as JSON.") var json: String?
  @Option(help: "Where the results are written as a table.") var table: String?
  @Flag(help: "Every cell that holds, with few faults.") var short = false
  @Option(help: "Milliseconds from one fault to the next.") var interval: Int?
  @Option(help: "Faults of each cell.") var faults: Int?
  @Option(help: "Only cells whose name contains this.") var only: String?

  @Option(help: .hidden) var load: String?
  @Option(help: .hidden) var loadKind = "all"
  @Option(help: .hidden) var lockProbe: String?

  func run() async throws {
    if let lockProbe { LockProbe.serve(path: lockProbe) }
    if let load { LoadProcess(folder: load, kind: LoadKind(rawValue: loadKind) ?? .all).run() }
    guard getuid() == 0 else { throw ValidationError("run as root: the matrix mounts file systems") }
    var report = FaultReport()
    print("\(report.machine)\(VerifiedIO.program == nil ? ", fio is not installed" : "")")
    for cell in Cell.all where only.map({ cell.name.contains($0) }) ?? true {
      if short, Cell.open[cell.name] != nil { continue }
      let result = try await run(cell)
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

  private func run(_ cell: Cell) async throws -> CellResult {
    // Where /tmp is full, the driver's own folders lie elsewhere.
    let base = cell.disk == .fullTemporaryFolder ? "/dev/shm" : ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    var template = Array("\(base)/alluxio-faults-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw FaultError("cannot make a folder in \(base)") }
    let folder = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    let result = await CellRun(
      cell: cell, binaries: binaries, folder: folder,
      repetitions: faults ?? (short ? cell.repetitions.short : cell.repetitions.full),
      interval: .milliseconds(interval ?? (short ? 250 : 1_000))
    ).run()
    try? FileManager.default.removeItem(atPath: folder)
    return result
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
}
