internal import FoundationEssentials

/// One node's use of a volume, as the volume's status has it.
struct NodeUse: Sendable, Hashable, Codable {
  var nodeID: String
  var condition: VolumeCondition
  /// From the node's AlluxioNode object, by way of a controller. nil: the node has told the registry itself.
  var reported: Bool?
  /// It has not reported for so long that nobody knows.
  var silent: Bool?

  init(_ publication: NodePublication, reported: Bool? = nil, silent: Bool? = nil) {
    (nodeID, condition) = (publication.nodeID, publication.condition)
    self.reported = reported
    self.silent = silent
  }

  var publication: NodePublication { NodePublication(nodeID: nodeID, condition: condition) }

  private enum CodingKeys: String, CodingKey { case nodeID, condition, reported, silent }

  /// Within merge patches: what is not so is `null`, or what was so before would stay.
  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(nodeID, forKey: .nodeID)
    try container.encode(condition, forKey: .condition)
    try container.encode(reported, forKey: .reported)
    try container.encode(silent, forKey: .silent)
  }
}

/// How many nodes use a volume and how it is there, and the first of those that are of interest.
struct VolumeHealth: Sendable, Hashable {
  /// Nodes that a message names.
  private static let named = 3

  var nodeCount = 0
  var abnormalCount = 0
  var silentCount = 0
  /// Of nodes with an abnormal volume, in the order of their ids.
  private(set) var sentences: [String] = []
  private(set) var silentNodes: [String] = []

  init(_ nodes: [NodeUse]) {
    for node in nodes.sorted(by: { $0.nodeID < $1.nodeID }) { add(node) }
  }

  /// With nodes that are not among these yet.
  func adding(_ nodes: some Sequence<NodeUse>) -> VolumeHealth {
    var health = self
    for node in nodes.sorted(by: { $0.nodeID < $1.nodeID }) { health.add(node) }
    return health
  }

  private mutating func add(_ node: NodeUse) {
    nodeCount += 1
    if node.silent == true {
      silentCount += 1
      if silentNodes.count < Self.named { silentNodes.append(node.nodeID) }
    } else if node.condition.abnormal {
      abnormalCount += 1
      if sentences.count < Self.named { sentences.append("\(node.nodeID): \(node.condition.message)") }
    }
  }

  /// Status, reason and message of `Usable`; nil where nobody uses the volume.
  fileprivate var usable: (status: String, reason: String, message: String)? {
    func list(_ words: [String], _ count: Int, _ separator: String) -> String {
      let more = count > words.count ? "\(separator)and \(count - words.count) more nodes" : ""
      return words.joined(separator: separator) + more
    }
    if nodeCount == 0 { return nil }
    if abnormalCount > 0 { return ("False", "AbnormalOnNodes", list(sentences, abnormalCount, "; ")) }
    guard silentCount > 0 else { return ("True", "UsableOnAllNodes", "") }
    return ("Unknown", "NodesSilent", "no reports come from \(list(silentNodes, silentCount, ", "))")
  }
}

extension AlluxioVolume {
  /// The conditions for people, which keep their time as long as the status is the same.
  func conditions(_ health: VolumeHealth) -> [Condition] {
    guard let (value, reason, message) = health.usable else { return [] }
    let before = status?.conditions?.first { $0.type == "Usable" && $0.status == value }
    return [
      Condition(
        type: "Usable", status: value, reason: reason, message: message,
        lastTransitionTime: before?.lastTransitionTime ?? Date.now.formatted(Date.ISO8601FormatStyle()))
    ]
  }
}
