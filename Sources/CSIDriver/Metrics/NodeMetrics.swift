package import LinuxSystem
package import Metrics
package import VolumeModel

/// The metrics of a node's volumes, from the mounter's answer and the plugin's records.
package struct NodeMetrics: Sendable {
  /// Volumes with metrics of their own: some 60 samples each.
  package static let maximumVolumes = 500

  /// The moment that clocks are compared at.
  private let monotonicNow: UInt64
  private let wallNow: Double

  package init(now: Deadline = .now, wallNanoseconds: Int64 = WallClock.coarseNanoseconds) {
    monotonicNow = now.nanoseconds / 1_000_000
    wallNow = Double(wallNanoseconds) / 1e9
  }

  /// - Parameter targets: of each worker, by its name.
  package func add(_ statuses: [WorkerStatus], targets: [String: Int], to exposition: inout Exposition) {
    exposition.add(MetricTable.nodeVolumes, count: UInt64(statuses.count))
    let shown = statuses.sorted { $0.request.key.name < $1.request.key.name }.prefix(Self.maximumVolumes)
    exposition.add(MetricTable.omittedVolumes, count: UInt64(statuses.count - shown.count))
    var taken: Set<[ByteKey]> = []
    for status in shown {
      let labels = Self.labels(of: status.request.key)
      // Two series of one name would make the whole scrape invalid.
      guard taken.insert(labels.map(ByteKey.init)).inserted else { continue }
      add(status, labels, targets[status.request.key.name] ?? 0, to: &exposition)
    }
  }

  private static func labels(of key: WorkerKey) -> [String] {
    [key.volumeID, (key.mountGroup ?? "") + (key.credentialIdentity.map { "@\($0)" } ?? "")]
  }

  private func add(_ status: WorkerStatus, _ labels: [String], _ targets: Int, to exposition: inout Exposition) {
    exposition.add(MetricTable.serving, labels, holds: status.serves)
    exposition.add(MetricTable.abnormal, labels, holds: status.condition(at: monotonicNow).abnormal)
    exposition.add(MetricTable.targets, labels, count: UInt64(targets))
    exposition.add(MetricTable.restarts, labels, count: UInt64(status.restarts))
    for kind in WorkerExit.Kind.allCases {
      exposition.add(MetricTable.deaths, labels + [kind.rawValue], count: status.history.counts[kind] ?? 0)
    }
    exposition.add(MetricTable.pauseSeconds, labels, value: Double(status.history.totalPause) / 1e3)
    exposition.add(MetricTable.longestPause, labels, value: Double(status.history.longestPause) / 1e3)
    if let started = status.startedAt {
      let age = Double(monotonicNow > started ? monotonicNow - started : 0) / 1e3
      exposition.add(MetricTable.workerStart, labels, value: wallNow - age)
    }
    if let custody = status.custody {
      let isComplete = !custody.custodians.isEmpty && custody.missing.isEmpty
      exposition.add(MetricTable.custodyComplete, labels, holds: isComplete)
      exposition.add(MetricTable.custodians, labels, count: UInt64(custody.custodians.count))
    }
    exposition.add(MetricTable.credentialsRefused, labels, holds: status.credentialProblem != nil)
    if let bytes = status.residentBytes { exposition.add(MetricTable.workerBytes, labels, count: bytes) }
    if let activity = status.activity { Self.add(activity, labels, to: &exposition) }
    if let counters = status.counters { Self.add(counters, labels, to: &exposition) }
  }

  private static func add(_ activity: WorkerActivity, _ labels: [String], to exposition: inout Exposition) {
    exposition.add(MetricTable.requests, labels, count: activity.answered)
    exposition.add(MetricTable.readBytes, labels, count: activity.readBytes)
    exposition.add(MetricTable.writtenBytes, labels, count: activity.writtenBytes)
    let errors = activity.errors.map { (ErrorName.of($0.number), $0.count) }
    for (name, count) in BoundedLabels.fold(errors, keeping: BoundedLabels.errors) {
      exposition.add(MetricTable.requestErrors, labels + [name], count: count)
    }
  }

  private static func add(_ counters: VolumeCounters, _ labels: [String], to exposition: inout Exposition) {
    exposition.add(MetricTable.cacheHits, labels, count: counters.hits)
    exposition.add(MetricTable.cacheMisses, labels, count: counters.misses)
    exposition.add(MetricTable.cacheReadBytes, labels, count: counters.bytesFromCache)
    exposition.add(MetricTable.evictions, labels, count: counters.evictedPages)
    exposition.add(MetricTable.cachedBytes, labels, count: counters.cachedBytes)
    exposition.add(MetricTable.cacheLimit, labels, count: counters.cacheLimit)
    exposition.add(MetricTable.cacheUsable, labels, holds: counters.cacheProblem == nil)
    exposition.add(MetricTable.bufferBytes, labels, count: counters.memoryInUse)
    exposition.add(MetricTable.bufferLimit, labels, count: counters.memoryBudget)
    exposition.add(MetricTable.readAheadWaste, labels, count: counters.readAheadWaste)
    exposition.add(MetricTable.openFiles, labels, count: counters.openFiles)
    exposition.add(MetricTable.storeReadBytes, labels, count: counters.bytesFromUnderFileSystem)
    exposition.add(MetricTable.hiddenKeys, labels, count: counters.hiddenKeys)
    for (kind, requests) in BoundedLabels.kinds(of: counters) {
      let codes = requests.outcomes.map { ($0.code, $0.count) }
      for (code, count) in BoundedLabels.fold(codes, keeping: BoundedLabels.codes) {
        exposition.add(MetricTable.storeRequests, labels + [kind, code], count: count)
      }
      exposition.add(
        MetricTable.storeSeconds, labels + [kind],
        quantiles: [
          (0.5, Double(requests.medianMicroseconds) / 1e6), (0.99, Double(requests.p99Microseconds) / 1e6),
        ], sum: Double(requests.totalMicroseconds) / 1e6, count: requests.answered)
    }
  }
}
