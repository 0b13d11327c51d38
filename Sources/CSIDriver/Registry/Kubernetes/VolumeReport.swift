internal import VolumeModel

/// What all nodes say of one volume.
struct VolumeReport: Sendable, Hashable {
  /// Of all nodes.
  var health: VolumeHealth
  /// The most interesting of them.
  var listed: [String: NodeUse] = [:]
  var cache: AlluxioVolume.Cache?
  var warmUp: AlluxioVolume.WarmUp?
  var lastError: AlluxioVolume.LastError?
  /// It was written into pods everywhere.
  var isInline: Bool

  /// One node, and what it says.
  struct Entry: Sendable {
    var nodeID: String
    var volume: AlluxioNode.Volume
    var isSilent: Bool
  }

  /// - Parameter entries: of nodes with different ids.
  init(_ entries: [Entry], listing limit: Int) {
    let sorted = entries.sorted { ($0.rank, ByteKey($0.nodeID)) < ($1.rank, ByteKey($1.nodeID)) }
    let uses = sorted.map(\.use)
    health = VolumeHealth(uses)
    for use in uses.prefix(limit) { listed[AlluxioVolume.key(of: use.nodeID)] = use }
    let heard = sorted.filter { !$0.isSilent }
    cache = Self.cache(heard.compactMap(\.volume.cache))
    let percents = heard.compactMap(\.volume.warmUpPercent)
    warmUp = percents.min().map { AlluxioVolume.WarmUp(nodeCount: percents.count, percent: min(max($0, 0), 100)) }
    lastError = heard.first { $0.error != nil }.flatMap { entry in
      entry.error.map { AlluxioVolume.LastError(nodeID: entry.nodeID, message: ReportedText.cut($0)) }
    }
    isInline = entries.allSatisfy { $0.volume.inline == true }
  }

  private static func cache(_ counts: [AlluxioNode.Cache]) -> AlluxioVolume.Cache? {
    if counts.isEmpty { return nil }
    // Somebody else may have written what no node would.
    func sum(_ field: KeyPath<AlluxioNode.Cache, Int64>) -> Double {
      counts.reduce(0) { $0 + Double(max(0, $1[keyPath: field])) }
    }
    let (hits, reads) = (sum(\.hits), sum(\.hits) + sum(\.misses))
    let bytes = UInt64(min(sum(\.cachedBytes), Double(Int64.max) / 2))
    return AlluxioVolume.Cache(
      hitRate: reads > 0 ? "\(Int((hits / reads * 100).rounded(.down)))%" : nil,
      cachedBytes: ReportedNumber.rounded(bytes))
  }
}

extension VolumeReport.Entry {
  private static let silence = "the node has not reported for long: what it serves is not known"

  /// Abnormal ones come first, then those that nothing is known of.
  fileprivate var rank: Int { isSilent ? 1 : volume.abnormal == true ? 0 : volume.lastError != nil ? 2 : 3 }

  fileprivate var error: String? { volume.abnormal == true ? volume.message ?? volume.lastError : volume.lastError }

  fileprivate var use: NodeUse {
    let isAbnormal = volume.abnormal == true
    let words = isAbnormal ? ReportedText.cut(volume.message ?? "the volume is abnormal") : "the volume is mounted"
    let condition = VolumeCondition(
      abnormal: isSilent || isAbnormal, message: isSilent ? Self.silence : words)
    return NodeUse(
      NodePublication(nodeID: nodeID, condition: condition), reported: true, silent: isSilent ? true : nil)
  }
}

/// A merge patch of a volume's status for what nodes report. It leaves alone what nodes have told the registry themselves.
struct ReportPatch: Encodable, Sendable {
  private let nodes: [String: NodeUse?]
  private let new: AlluxioVolume.Status

  /// - Returns: nil when that is what the volume says already.
  init?(_ volume: AlluxioVolume, _ report: VolumeReport) {
    let before = volume.status ?? AlluxioVolume.Status()
    let own = (before.nodes ?? [:]).filter { $0.value.reported != true }
    // Who tells both is believed in what it told the registry, which is sooner there.
    let listed = report.listed.filter { own[$0.key] == nil }
    let nodes = own.merging(listed) { first, _ in first }
    let health = report.health.adding(own.values.filter { report.listed[AlluxioVolume.key(of: $0.nodeID)] == nil })
    var status = AlluxioVolume.Status(nodes: nodes, nodeCount: health.nodeCount)
    (status.cache, status.warmUp, status.lastError) = (report.cache, report.warmUp, report.lastError)
    status.conditions = volume.conditions(health)
    var known = before
    // As the server has it before anybody has said anything.
    known.nodes = before.nodes ?? [:]
    known.nodeCount = before.nodeCount ?? 0
    known.conditions = before.conditions ?? []
    guard known != status else { return nil }
    new = status
    var changes: [String: NodeUse?] = nodes.filter { before.nodes?[$0.key] != $0.value }
    for key in (before.nodes ?? [:]).keys where nodes[key] == nil { changes.updateValue(nil, forKey: key) }
    self.nodes = changes
  }

  private enum CodingKeys: String, CodingKey { case status }
  private enum StatusKeys: String, CodingKey { case nodes, nodeCount, cache, warmUp, lastError, conditions }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    var status = container.nestedContainer(keyedBy: StatusKeys.self, forKey: .status)
    try status.encode(nodes, forKey: .nodes)
    try status.encode(new.nodeCount, forKey: .nodeCount)
    // As null where there is none.
    try status.encode(new.cache.map(CachePatch.init), forKey: .cache)
    try status.encode(new.warmUp, forKey: .warmUp)
    try status.encode(new.lastError, forKey: .lastError)
    try status.encode(new.conditions, forKey: .conditions)
  }

  private struct CachePatch: Encodable {
    var cache: AlluxioVolume.Cache

    private enum CodingKeys: String, CodingKey { case hitRate, cachedBytes }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(cache.hitRate, forKey: .hitRate)
      try container.encode(cache.cachedBytes, forKey: .cachedBytes)
    }
  }
}
