/// Durations of one repeated operation.
struct Samples {
  private var values: [Double] = []

  /// - Parameter duration: recorded in microseconds.
  mutating func add(_ duration: Duration) {
    values.append(Double(duration.components.seconds) * 1e6 + Double(duration.components.attoseconds) / 1e12)
  }

  mutating func append(_ other: Samples) { values += other.values }

  /// In microseconds; 0 without samples.
  func percentile(_ p: Double) -> Double {
    guard !values.isEmpty else { return 0 }
    return values.sorted()[min(values.count - 1, Int(Double(values.count) * p))]
  }

  var median: Double { percentile(0.5) }
  var count: Int { values.count }
}

func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard !sorted.isEmpty else { return 0 }
  return sorted.count % 2 == 1
    ? sorted[sorted.count / 2] : (sorted[sorted.count / 2 - 1] + sorted[sorted.count / 2]) / 2
}

/// Runs `body` once for each of `names` in every round, in turn, so that a machine that slows down slows all of them.
/// - Returns: the results per name, one per round.
func interleaved(rounds: Int, _ names: [String], _ body: (String) throws -> Double) rethrows -> [String: [Double]] {
  var results: [String: [Double]] = [:]
  for round in 0..<rounds {
    for index in names.indices {
      let name = names[(index + round) % names.count]
      results[name, default: []].append(try body(name))
    }
  }
  return results
}
