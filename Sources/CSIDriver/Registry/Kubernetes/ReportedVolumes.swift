internal import Kubernetes
internal import LinuxSystem
internal import VolumeModel

/// All that nodes have reported, and when this program heard of it: clocks of others are not compared. A value, so that
/// tests need no time.
///
/// Nodes and volumes have numbers here, and what is merely named takes a few bytes: a thousand volumes on each of a
/// thousand nodes stay below the controller's limit of memory.
struct ReportedVolumes: Sendable {
  /// What one node says of one volume, without its id.
  private final class Words: Sendable, Equatable {
    let volume: AlluxioNode.Volume

    init(_ volume: AlluxioNode.Volume) {
      var volume = volume
      volume.volumeID = ""
      self.volume = volume
    }

    static func == (left: Words, right: Words) -> Bool { left === right || left.volume == right.volume }
  }

  private struct KnownVolume: Sendable {
    var id: String
    /// Numbers of nodes.
    var users: Set<Int32> = []
  }

  private struct Node: Sendable {
    var name: String
    var nodeID: String
    /// Of the object.
    var version: String?
    var reportedAt: String?
    var heard: Deadline
    var isSilent = false
    /// By numbers of volumes; nil: it is there, and no more is known.
    var volumes: [Int32: Words?] = [:]
  }

  /// A volume of which something is new.
  struct Change: Sendable, Hashable {
    var volumeID: String
    /// More than counts: whether and how it is used.
    var isUrgent: Bool
  }

  private let policy: StatusPolicy
  private var nodes: [Int32: Node] = [:]
  /// By the names of their objects.
  private var nodeNumbers: [String: Int32] = [:]
  private var volumes: [Int32: KnownVolume] = [:]
  private var volumeNumbers: [ByteKey: Int32] = [:]
  private var lastNumber: Int32 = 0
  /// Since when the cluster has not been heard: silence then is not the nodes'.
  private var isDeaf = false

  init(_ policy: StatusPolicy) { self.policy = policy }

  var nodeCount: Int { nodes.count }
  var volumeIDs: [String] { volumes.values.map(\.id) }

  /// These are all nodes that there are.
  mutating func list(_ objects: [AlluxioNode], now: Deadline) -> [Change] {
    let names = Set(objects.map(\.metadata.name))
    var changes: [Change] = []
    for name in nodeNumbers.keys where !names.contains(name) { changes += remove(name) }
    for object in objects { changes += apply(object, now: now) }
    hear(now: now)
    return changes
  }

  /// The node is as this object says.
  mutating func apply(_ object: AlluxioNode, now: Deadline) -> [Change] {
    hear(now: now)
    let name = object.metadata.name
    // Of a node whose name is another one's nothing is taken: the object's name is what rules of access look at.
    guard AlluxioNode.name(of: object.spec.nodeID) == name else { return remove(name) }
    let number = nodeNumbers[name] ?? newNumber()
    let before = nodes[number]
    var node = Node(
      name: name, nodeID: object.spec.nodeID, version: object.metadata.resourceVersion,
      reportedAt: object.status?.reportedAt, heard: now)
    for volume in object.status?.volumes ?? [] {
      let isBare = volume == AlluxioNode.Volume(volumeID: volume.volumeID)
      node.volumes.updateValue(isBare ? nil : Words(volume), forKey: self.number(of: volume.volumeID))
    }
    if let before, before.reportedAt == node.reportedAt {
      (node.heard, node.isSilent) = (before.heard, before.isSilent)
    }
    (nodes[number], nodeNumbers[name]) = (node, number)
    return changes(of: number, from: before, to: node)
  }

  /// The node's object is gone.
  mutating func remove(_ name: String) -> [Change] {
    guard let number = nodeNumbers.removeValue(forKey: name), let before = nodes.removeValue(forKey: number) else {
      return []
    }
    return changes(of: number, from: before, to: nil)
  }

  /// The cluster cannot be heard.
  mutating func interrupted() { isDeaf = true }

  /// The cluster answers: nodes have had no chance to be heard before.
  mutating func hear(now: Deadline) {
    guard isDeaf else { return }
    isDeaf = false
    for number in nodes.keys where nodes[number]?.isSilent == false { nodes[number]?.heard = now }
  }

  /// Time has passed.
  mutating func look(now: Deadline) -> [Change] {
    if isDeaf { return [] }
    var changes: [Change] = []
    for (number, node) in nodes where !node.isSilent && node.heard.advanced(by: policy.silence) <= now {
      nodes[number]?.isSilent = true
      changes += node.volumes.keys.compactMap { volumes[$0]?.id }.map { Change(volumeID: $0, isUrgent: true) }
    }
    return changes
  }

  /// A node that does not report, and whether it is to be given up whatever became of it. One without volumes says nothing,
  /// and its plugin makes the object again when it has one.
  struct SilentNode: Sendable, Hashable {
    var name: String
    var version: String?
    var nodeID: String
    var isAbandoned: Bool
  }

  func silent(now: Deadline) -> [SilentNode] {
    if isDeaf { return [] }
    return nodes.values.filter(\.isSilent).map { node in
      SilentNode(
        name: node.name, version: node.version, nodeID: node.nodeID,
        isAbandoned: node.volumes.isEmpty || node.heard.advanced(by: policy.abandonment) <= now)
    }
  }

  /// What all nodes say of one volume.
  func report(of volumeID: String) -> VolumeReport {
    guard let number = volumeNumbers[ByteKey(volumeID)], let known = volumes[number] else {
      return VolumeReport([], listing: policy.listedNodes)
    }
    let entries = known.users.compactMap { user -> VolumeReport.Entry? in
      guard let node = nodes[user], let words = node.volumes[number] else { return nil }
      let volume = words?.volume ?? AlluxioNode.Volume(volumeID: "")
      return VolumeReport.Entry(nodeID: node.nodeID, volume: volume, isSilent: node.isSilent)
    }
    return VolumeReport(entries, listing: policy.listedNodes)
  }

  private mutating func newNumber() -> Int32 {
    repeat { lastNumber &+= 1 } while nodes[lastNumber] != nil || volumes[lastNumber] != nil
    return lastNumber
  }

  private mutating func number(of volumeID: String) -> Int32 {
    if let number = volumeNumbers[ByteKey(volumeID)] { return number }
    let number = newNumber()
    (volumes[number], volumeNumbers[ByteKey(volumeID)]) = (KnownVolume(id: volumeID), number)
    return number
  }

  private mutating func changes(of node: Int32, from before: Node?, to after: Node?) -> [Change] {
    var changes: [Change] = []
    for number in before?.volumes.keys ?? [:].keys where after?.volumes[number] == nil {
      guard let id = volumes[number]?.id else { continue }
      volumes[number]?.users.remove(node)
      if volumes[number]?.users.isEmpty == true {
        (volumes[number], volumeNumbers[ByteKey(id)]) = (nil, nil)
      }
      changes.append(Change(volumeID: id, isUrgent: true))
    }
    let isHeardAgain = before?.isSilent == true && after?.isSilent == false
    for (number, new) in after?.volumes ?? [:] {
      guard let id = volumes[number]?.id else { continue }
      volumes[number]?.users.insert(node)
      let old = before?.volumes[number]
      if !isHeardAgain, let old, old == new { continue }
      let isUrgent = isHeardAgain || old.map { Self.urgent($0) != Self.urgent(new) } ?? true
      changes.append(Change(volumeID: id, isUrgent: isUrgent))
    }
    return changes
  }

  /// What people must know of it soon.
  private static func urgent(_ words: Words?) -> AlluxioNode.Volume {
    var volume = words?.volume ?? AlluxioNode.Volume(volumeID: "")
    (volume.cache, volume.warmUpPercent) = (nil, nil)
    return volume
  }
}
