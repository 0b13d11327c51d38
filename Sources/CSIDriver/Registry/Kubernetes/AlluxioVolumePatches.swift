internal import FoundationEssentials

/// A merge patch that makes a volume's record another one: members that are no more are removed.
struct RecordPatch: Encodable, Sendable {
  var old: VolumeRecord?
  /// nil removes the record.
  var new: VolumeRecord?

  private enum CodingKeys: String, CodingKey { case spec }
  private enum SpecKeys: String, CodingKey { case record }
  private enum RecordKeys: String, CodingKey {
    case version, id, name, state, capacityBytes, parameters, context, directory
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    var spec = container.nestedContainer(keyedBy: SpecKeys.self, forKey: .spec)
    guard let new else { return try spec.encodeNil(forKey: .record) }
    var record = spec.nestedContainer(keyedBy: RecordKeys.self, forKey: .record)
    try record.encode(new.version, forKey: .version)
    try record.encode(new.id, forKey: .id)
    try record.encode(new.name, forKey: .name)
    try record.encode(new.state, forKey: .state)
    try record.encode(new.capacityBytes, forKey: .capacityBytes)
    try record.encode(Self.replacement(of: old?.parameters, by: new.parameters), forKey: .parameters)
    try record.encode(Self.replacement(of: old?.context, by: new.context), forKey: .context)
    // As null where there is none.
    try record.encode(new.directory, forKey: .directory)
  }

  /// `null` for what is no more.
  private static func replacement(of old: [String: String]?, by new: [String: String]) -> [String: String?] {
    var result: [String: String?] = new.mapValues { $0 }
    for name in (old ?? [:]).keys where new[name] == nil { result.updateValue(nil, forKey: name) }
    return result
  }
}

/// A merge patch of the status for one node's use of a volume, of which the node itself tells the registry.
struct PublicationPatch: Encodable, Sendable {
  private struct Status: Encodable, Sendable {
    var nodes: [String: NodeUse?]
    var nodeCount: Int
    var conditions: [AlluxioVolume.Condition]
  }

  private let status: Status

  /// - Parameter publication: nil: the node no longer uses it.
  /// - Returns: nil when that is what the volume says already.
  init?(_ volume: AlluxioVolume, nodeID: String, publication: NodePublication?) {
    let key = AlluxioVolume.key(of: nodeID)
    let use = publication.map { NodeUse($0) }
    let before = volume.status?.nodes ?? [:]
    guard before[key] != use else { return nil }
    var nodes = before
    nodes[key] = use
    // Of those that report, only some are listed.
    let count = (volume.status?.nodeCount ?? before.count) + nodes.count - before.count
    status = Status(
      nodes: [key: use], nodeCount: count, conditions: volume.conditions(VolumeHealth(Array(nodes.values))))
  }
}
