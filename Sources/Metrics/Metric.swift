/// One metric: what a scrape may hold under one name.
package struct Metric: Sendable, Hashable, Codable {
  package enum Kind: String, Sendable, Hashable, Codable {
    case counter, gauge, histogram, summary
  }

  /// Which plugin has it.
  package enum Scope: String, Sendable, Hashable, Codable {
    /// Controller and node.
    case plugin
    case node
  }

  /// As Prometheus has it: lower case, the unit at its end, `_total` for counters.
  package let name: String
  package let kind: Kind
  /// In the order in which samples give their values.
  package let labels: [String]
  /// One sentence without its full stop, in the exposition and in the table of deploy/monitoring.
  package let help: String
  package let scope: Scope
  /// Of histograms: upper bounds, without the last, which has none.
  package let bounds: [Double]?

  package init(
    _ kind: Kind, _ name: String, _ labels: [String], scope: Scope = .node, bounds: [Double]? = nil, _ help: String
  ) {
    self.name = name
    self.kind = kind
    self.labels = labels
    self.help = help
    self.scope = scope
    self.bounds = bounds
  }

  /// Names of its samples: a histogram has three kinds of them.
  package var sampleNames: [String] {
    switch kind {
    case .counter, .gauge: [name]
    case .histogram: ["\(name)_bucket", "\(name)_sum", "\(name)_count"]
    case .summary: [name, "\(name)_sum", "\(name)_count"]
    }
  }
}
