import VolumeModel

extension VolumeCounters {
  /// One line for a person.
  var line: String {
    let all = requests.flatMap(\.outcomes)
    let failed = all.filter { !$0.code.hasPrefix("2") && $0.code != "cancelled" }.reduce(0) { $0 + $1.count }
    var parts = [
      "\(Self.size(bytesFromUnderFileSystem)) from the store, \(Self.size(bytesFromCache)) from the cache",
      "\(all.reduce(0) { $0 + $1.count }) requests, \(failed) of them failed",
    ]
    if let reads = requests.first(where: { $0.kind == "GetObject" }) {
      parts.append("GetObject p50 \(Self.time(reads.medianMicroseconds)), p99 \(Self.time(reads.p99Microseconds))")
    }
    if cacheLimit > 0 { parts.append("cache \(Self.size(cachedBytes)) of \(Self.size(cacheLimit))") }
    if let cacheProblem { parts.append("the cache is not used: \(cacheProblem)") }
    parts.append("buffers \(Self.size(memoryInUse)) of \(Self.size(memoryBudget))")
    return parts.joined(separator: "; ")
  }

  private static func size(_ bytes: UInt64) -> String {
    for (unit, name) in [(UInt64(1) << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] where bytes >= unit {
      return "\(bytes / unit).\(bytes % unit * 10 / unit) \(name)"
    }
    return "\(bytes) B"
  }

  private static func time(_ microseconds: UInt64) -> String {
    microseconds >= 10_000 ? "\(microseconds / 1000) ms" : "\(microseconds) µs"
  }
}
