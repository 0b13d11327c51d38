import Foundation

/// One line of the result table.
struct Measurement: Codable, Sendable {
  /// Group of lines, for example `rpc`.
  var group: String
  var name: String
  /// Unit of `value`, for example `µs` or `MiB/s`.
  var unit: String
  var value: Double
  /// `value` against the reference named in `reference`, measured in the same run; nil where there is none.
  var ratio: Double?
  var reference: String?
  /// The figure this line is held against, as the README states it; nil where there is none.
  var target: String?
  var holds: Bool?
}

/// Collects measurements, prints them as a table and writes them as JSON.
struct Report: Codable {
  var machine: String
  var date: String
  var measurements: [Measurement] = []

  init() {
    var name = utsname()
    uname(&name)
    let release = withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    machine = "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) cores"
    date = Date().ISO8601Format()
  }

  mutating func add(
    _ group: String, _ name: String, _ value: Double, _ unit: String, ratio: Double? = nil, reference: String? = nil,
    target: String? = nil, holds: Bool? = nil
  ) {
    let line = Measurement(
      group: group, name: name, unit: unit, value: value, ratio: ratio, reference: reference, target: target,
      holds: holds)
    measurements.append(line)
    FileHandle.standardError.write(Data("  \(Report.row(line))\n".utf8))
  }

  /// A ratio that must reach `floor`.
  mutating func addRatio(
    _ group: String, _ name: String, _ value: Double, _ unit: String, ratio: Double, reference: String, floor: Double?
  ) {
    add(
      group, name, value, unit, ratio: ratio, reference: reference, target: floor.map { "≥ \(format($0))×" },
      holds: floor.map { ratio >= $0 })
  }

  /// A figure that must not exceed `ceiling`.
  mutating func addLimit(_ group: String, _ name: String, _ value: Double, _ unit: String, ceiling: Double?) {
    add(group, name, value, unit, target: ceiling.map { "≤ \(format($0)) \(unit)" }, holds: ceiling.map { value <= $0 })
  }

  private static func row(_ m: Measurement) -> String {
    let ratio = m.ratio.map { "\(format($0))× \(m.reference ?? "")" } ?? ""
    let verdict = m.holds.map { $0 ? "holds" : "MISSED" } ?? ""
    return [
      pad(m.group, 10), pad(m.name, 44), pad(format(m.value), 12, right: true), pad(m.unit, 7), pad(ratio, 28),
      pad(m.target ?? "", 14), verdict,
    ].joined(separator: " ")
  }

  func printTable() {
    print("\n\(machine), \(date)\n")
    print(
      [
        pad("group", 10), pad("what", 44), pad("value", 12, right: true), pad("unit", 7), pad("ratio", 28),
        pad("target", 14),
      ].joined(separator: " "))
    for m in measurements { print(Report.row(m)) }
  }

  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(self).write(to: URL(fileURLWithPath: path))
  }
}

/// Three significant digits are all that a shared machine can give.
func format(_ value: Double) -> String {
  switch abs(value) {
  case 100...: String(Int(value.rounded()))
  case 10..<100: String(format: "%.1f", value)
  default: String(format: "%.2f", value)
  }
}

private func pad(_ text: String, _ width: Int, right: Bool = false) -> String {
  let fill = String(repeating: " ", count: max(0, width - text.count))
  return right ? fill + text : text + fill
}
