import Foundation
import LinuxSystem

/// What one cell has shown.
struct CellResult: Codable {
  var name: String
  /// Times that the fault struck, and the processes that it ended.
  var faults = 0
  var kills = 0
  var operations = 0
  var applicationErrors = 0
  var wrongBytes = 0
  /// Errors that the cell's outage brings with it.
  var outageErrors = 0
  /// Verified runs of fio; nil where it is not installed or not part of the cell.
  var verifiedRuns: Int?
  /// The longest single operation after each fault, in milliseconds.
  var pauses: [Double] = []
  /// Which operation the longest was.
  var longest = ""
  /// Why the cell ended early or nothing was run.
  var failure: String?
  /// Why it is known not to hold yet.
  var open: String?
  var isRun = true

  var holds: Bool { isRun && failure == nil && applicationErrors == 0 && wrongBytes == 0 }

  /// - Parameter share: 0.5 for the median.
  func pause(_ share: Double) -> Double {
    guard !pauses.isEmpty else { return 0 }
    return pauses.sorted()[min(pauses.count - 1, Int((Double(pauses.count) * share).rounded(.up)) - 1)]
  }

  var verdict: String {
    if !isRun { return "not run" }
    if holds { return "holds" }
    return open == nil ? "FAILED" : "open"
  }
}

/// The whole matrix.
struct FaultReport: Codable {
  var machine: String
  var date: String
  var cells: [CellResult] = []

  init() {
    var name = utsname()
    uname(&name)
    let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    machine = "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) CPUs"
    date = Date().ISO8601Format()
  }

  /// As Markdown, for the README.
  func table() -> String {
    var lines = [
      "| fault | faults | kills | operations | errors | wrong | in outage | pause p50 | p99 | max, ms | |",
      "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells {
      let numbers =
        cell.isRun
        ? [
          "\(cell.faults)", "\(cell.kills)", "\(cell.operations)", "\(cell.applicationErrors)", "\(cell.wrongBytes)",
          "\(cell.outageErrors)",
        ] + [0.5, 0.99, 1].map { String(format: "%.0f", cell.pause($0)) }
        : Array(repeating: "–", count: 9)
      let reason = (cell.open ?? (cell.isRun ? nil : cell.failure)).map { ": \($0)" } ?? ""
      lines.append("| \(([cell.name] + numbers + [cell.verdict + reason]).joined(separator: " | ")) |")
    }
    return lines.joined(separator: "\n")
  }

  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(self).write(to: URL(fileURLWithPath: path))
  }
}
