internal import Mounter
internal import VolumeModel

/// What the node's report says of its volumes: from the records, the known conditions, and the mounter's last answer.
extension NodeService {
  /// - Parameter view: asked for what workers have counted.
  func reportedStatus(_ view: MounterView, _ policy: ReportPolicy) async -> AlluxioNode.Status {
    let answer = await view.current().statuses ?? []
    // Without the mounter, what it said last: workers serve on. What it told meanwhile is newer than an answer.
    let byName = Dictionary((answer + workers.known).map { ($0.request.key.name, $0) }) { answered, told in
      guard told.revision > answered.revision else { return answered }
      var newest = told
      newest.counters = told.counters ?? answered.counters
      return newest
    }
    let targets = Dictionary(grouping: records.all) { ByteKey($0.volumeID) }
    return AlluxioNode.Status(targets.values.map { reportedVolume($0, byName) }, policy)
  }

  private func reportedVolume(_ targets: [TargetRecord], _ statuses: [String: WorkerStatus]) -> AlluxioNode.Volume {
    let keys = Dictionary(targets.map { ($0.workerKey.name, $0.workerKey) }) { first, _ in first }
    let names = keys.keys.sorted()
    let condition = workers.condition(ofWorkers: names)
    let known = names.compactMap { statuses[$0] }
    return AlluxioNode.Volume(
      volumeID: targets[0].volumeID, inline: targets.allSatisfy { $0.isInline == true } ? true : nil,
      abnormal: condition.abnormal ? true : nil,
      message: condition.abnormal ? ReportedText.cut(condition.message) : nil,
      cache: AlluxioNode.Cache(known.compactMap(\.counters)),
      warmUpPercent: names.compactMap { keys[$0].flatMap { warming?.percent(of: $0) } }.min(),
      lastError: known.compactMap(\.lastError).first.map { ReportedText.cut($0) })
  }
}

extension WorkerStatus {
  /// The last thing that went wrong with the volume; nil: nothing since it was mounted.
  fileprivate var lastError: String? {
    if let credentialProblem { return Self.refusal(credentialProblem) }
    if let problem = counters?.cacheProblem { return "the page store is not used: \(problem)" }
    let deaths = history.deaths.filter { VolumeNews($0) != nil }
    return deaths.last.map { [$0.exit.sentence, $0.exit.remedy].compactMap(\.self).joined(separator: "; ") }
  }
}

extension AlluxioNode.Cache {
  /// Of all workers of a volume; nil where none has counted anything: those of `file://` do not.
  init?(_ counters: [VolumeCounters]) {
    if counters.isEmpty { return nil }
    func sum(_ field: KeyPath<VolumeCounters, UInt64>) -> Int64 {
      ReportedNumber.rounded(counters.reduce(0) { $0 &+ $1[keyPath: field] })
    }
    self.init(
      cachedBytes: sum(\.cachedBytes), hits: sum(\.hits), misses: sum(\.misses),
      bytesFromCache: sum(\.bytesFromCache), bytesFromStore: sum(\.bytesFromUnderFileSystem))
  }
}

extension AlluxioNode.Status {
  /// The longest id that is named. Ids of the driver's own have 63 bytes at most, CSI allows 128 for names.
  private static let longestID = 512

  /// The most interesting volumes with all that is known, others with their ids, and the rest as a count.
  init(_ all: [AlluxioNode.Volume], _ policy: ReportPolicy) {
    let byInterest = all.filter { $0.volumeID.utf8.count <= Self.longestID }.sorted { $0.precedes($1) }
    func inOrder(_ volumes: some Sequence<AlluxioNode.Volume>) -> [AlluxioNode.Volume] {
      volumes.sorted { ByteKey($0.volumeID) < ByteKey($1.volumeID) }
    }
    let described = inOrder(byInterest.prefix(policy.described))
    let named = inOrder(byInterest.dropFirst(policy.described).prefix(max(0, policy.named - policy.described)))
    let bare = named.map { AlluxioNode.Volume(volumeID: $0.volumeID, inline: $0.inline, abnormal: $0.abnormal) }
    volumes = described + bare
    volumeCount = all.count
    abnormalCount = all.count { $0.abnormal == true }
    omittedCount = all.count - described.count - bare.count
  }
}

extension AlluxioNode.Volume {
  private var interest: (Int, Int64) {
    let kind =
      abnormal == true ? 0 : lastError != nil ? 1 : warmUpPercent != nil ? 2 : inline == true ? 4 : 3
    // By size and not by count: the same ones as long as nothing much changes.
    return (kind, -(cache.map { $0.hits &+ $0.misses }?.bits ?? 0))
  }

  fileprivate func precedes(_ other: AlluxioNode.Volume) -> Bool {
    if interest != other.interest { return interest < other.interest }
    return ByteKey(volumeID) < ByteKey(other.volumeID)
  }
}

extension Int64 {
  /// How many binary digits a count has.
  fileprivate var bits: Int64 { Int64(Int64.bitWidth - Swift.max(self, 0).leadingZeroBitCount) }
}
