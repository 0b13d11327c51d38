/// The table as others read it.
extension MetricTable {
  /// For the table in deploy/monitoring: name with labels, kind, meaning.
  package static var markdown: String {
    let rows = all.map { metric in
      let labels = metric.labels.isEmpty ? "" : "{\(metric.labels.joined(separator: ","))}"
      let scope = metric.scope == .node ? "node" : "both"
      return "| `\(metric.name)\(labels)` | \(metric.kind.rawValue) | \(scope) | \(metric.help) |"
    }
    return (["| metric | kind | plugin | meaning |", "|---|---|---|---|"] + rows).joined(separator: "\n")
  }
}
