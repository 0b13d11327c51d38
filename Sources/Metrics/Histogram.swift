/// Counts of values between fixed bounds.
package struct Histogram: Sendable, Hashable {
  /// Upper bounds, ascending; a value that equals one is below it.
  package let bounds: [Double]
  /// Between two bounds each; the last counts what lies above all.
  package private(set) var counts: [UInt64]
  package private(set) var sum = 0.0

  package init(bounds: [Double]) {
    self.bounds = bounds
    counts = [UInt64](repeating: 0, count: bounds.count + 1)
  }

  package mutating func add(_ value: Double) {
    counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
    sum += value
  }
}
