internal import VolumeModel

/// What a person reads of an object-store volume's counters: four lines and one for each kind of request.
extension VolumeCounters {
  /// Of reads, how many did not wait for the store; nil before the first.
  var hitRate: Double? {
    let reads = hits + misses
    return reads == 0 ? nil : Double(hits) / Double(reads)
  }

  /// Each with its heading.
  var lines: [(heading: String, words: String)] {
    let reads = hits + misses
    let rate = hitRate.map { "\(Self.tenths($0 * 1_000)) % of \(reads) reads" } ?? "no reads yet"
    let waste = readAheadWaste == 0 ? "" : "; \(Self.bytes(readAheadWaste)) read ahead in vain"
    let evictions = evictedPages == 0 ? "" : "; \(evictedPages) pages evicted"
    let problem = cacheProblem.map { "; NOT USED: \($0)" } ?? ""
    let hidden = hiddenKeys == 0 ? "" : "; \(hiddenKeys) keys that cannot be names are hidden"
    return [
      ("hits", rate),
      (
        "read",
        "\(Self.bytes(bytesFromCache)) from cache, \(Self.bytes(bytesFromUnderFileSystem)) from the store\(waste)"
      ),
      ("page store", "\(Self.bytes(cachedBytes)) of \(Self.bytes(cacheLimit))\(evictions)\(problem)"),
      (
        "in use",
        "\(openFiles) open files, \(Self.bytes(memoryInUse)) of \(Self.bytes(memoryBudget)) for reads\(hidden)"
      ),
    ] + requests.enumerated().map { ($0.offset == 0 ? "requests" : "", $0.element.words) }
  }

  /// A tenth of a whole number, rounded: 973 is `97.3`.
  private static func tenths(_ value: Double) -> String {
    let rounded = UInt64(value.rounded())
    return "\(rounded / 10).\(rounded % 10)"
  }

  /// Three digits or so: `11.8 GiB`.
  static func bytes(_ count: UInt64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    var value = Double(count)
    var unit = 0
    while value >= 1_024, unit < units.count - 1 { (value, unit) = (value / 1_024, unit + 1) }
    return unit == 0 ? "\(count) B" : "\(tenths(value * 10)) \(units[unit])"
  }
}

extension VolumeCounters.Requests {
  /// `GetObject 320 (200: 318, 503: 2), p50 12.4 ms, p99 80.0 ms`.
  fileprivate var words: String {
    let count = outcomes.reduce(0) { $0 + $1.count }
    let codes = outcomes.map { "\($0.code): \($0.count)" }.joined(separator: ", ")
    return "\(kind) \(count) (\(codes)), p50 \(Self.time(medianMicroseconds)), p99 \(Self.time(p99Microseconds))"
  }

  private static func time(_ microseconds: UInt64) -> String {
    let tenths = (microseconds + 50) / 100
    return "\(tenths / 10).\(tenths % 10) ms"
  }
}
