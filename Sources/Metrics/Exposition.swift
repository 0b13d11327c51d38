/// Builds the text of a scrape, in the format of Prometheus (version 0.0.4): samples in any order come out by metric, in the
/// order of the table.
package struct Exposition {
  /// For the header of the answer.
  package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  private var lines: [String: [String]] = [:]

  package init() {}

  /// One sample of a counter or a gauge. - Parameter values: of the metric's labels, in their order.
  package mutating func add(_ metric: Metric, _ values: [String] = [], value: Double) {
    precondition(metric.kind == .counter || metric.kind == .gauge, "\(metric.name) has parts")
    add(metric, metric.name, metric.labels, values, value)
  }

  package mutating func add(_ metric: Metric, _ values: [String] = [], count: UInt64) {
    add(metric, values, value: Double(count))
  }

  package mutating func add(_ metric: Metric, _ values: [String] = [], holds: Bool) {
    add(metric, values, value: holds ? 1 : 0)
  }

  /// Counts below each bound, their number and their sum.
  package mutating func add(_ metric: Metric, _ values: [String], _ histogram: Histogram) {
    precondition(metric.kind == .histogram && metric.bounds == histogram.bounds, "\(metric.name) is counted otherwise")
    var count: UInt64 = 0
    for (index, bound) in (histogram.bounds.map(Self.text) + ["+Inf"]).enumerated() {
      count += histogram.counts[index]
      add(metric, "\(metric.name)_bucket", metric.labels + ["le"], values + [bound], Double(count))
    }
    add(metric, "\(metric.name)_sum", metric.labels, values, histogram.sum)
    add(metric, "\(metric.name)_count", metric.labels, values, Double(count))
  }

  /// Quantiles that were found elsewhere, as 0.5 and 0.99.
  package mutating func add(
    _ metric: Metric, _ values: [String], quantiles: [(part: Double, value: Double)], sum: Double, count: UInt64
  ) {
    precondition(metric.kind == .summary, "\(metric.name) has no quantiles")
    for (part, value) in quantiles {
      add(metric, metric.name, metric.labels + ["quantile"], values + [Self.text(part)], value)
    }
    add(metric, "\(metric.name)_sum", metric.labels, values, sum)
    add(metric, "\(metric.name)_count", metric.labels, values, Double(count))
  }

  /// All of it. A metric without a sample is left out.
  package var text: String {
    MetricTable.all.reduce(into: "") { text, metric in
      guard let lines = lines[metric.name] else { return }
      text += "# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
      for line in lines { text += line }
    }
  }

  private mutating func add(
    _ metric: Metric, _ name: String, _ labels: [String], _ values: [String], _ value: Double
  ) {
    precondition(labels.count == values.count, "\(name) has the labels \(labels)")
    let pairs = zip(labels, values).map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    lines[metric.name, default: []].append("\(name)\(pairs.isEmpty ? "" : "{\(pairs)}") \(Self.text(value))\n")
  }

  /// Whole numbers without a fraction.
  private static func text(_ value: Double) -> String {
    if let whole = Int64(exactly: value) { return String(whole) }
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
    return "\(value)"
  }

  /// In a label's value, backslash, quote and line feed are escaped; names come from outside and hold anything.
  private static func escaped(_ value: String) -> String {
    var result = ""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
