import LinuxSystem

/// Measures the page store alone: `page-bench policies`, `page-bench reads FOLDER`, `page-bench files FOLDER`.
@main
struct PageBench {
  static func main() throws {
    let arguments = CommandLine.arguments
    switch arguments.dropFirst().first {
    case "policies": PolicyBenchmark.run()
    case "reads" where arguments.count == 3: try ReadBenchmark(folder: arguments[2]).run()
    case "files" where arguments.count == 3: try FileBenchmark(folder: arguments[2]).run()
    default: print("usage: page-bench policies | reads FOLDER | files FOLDER (an empty one on the disk to measure)")
    }
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }

  /// With two digits behind the point.
  static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let rest = hundredths % 100
    return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
  }

  static func seconds(_ body: () throws -> Void) rethrows -> Double {
    let start = Deadline.now.nanoseconds
    try body()
    return Double(Deadline.now.nanoseconds - start) / 1e9
  }
}
