internal import Kubernetes
internal import VolumeModel

/// `csi.alluxio.com/v1alpha1` AlluxioVolume: what the cluster remembers of one volume. Its definition stands in the chart.
struct AlluxioVolume: KubernetesObject {
  static let resource = APIResource(
    group: "csi.alluxio.com", version: "v1alpha1", kind: "AlluxioVolume", plural: "alluxiovolumes", isNamespaced: false)

  struct Spec: Codable, Sendable, Hashable {
    /// The id as CSI names it, of which the object's name is made.
    var volumeID: String
    /// What CreateVolume promised; nil for volumes that the controller has not made.
    var record: VolumeRecord?
  }

  struct Status: Codable, Sendable, Hashable {
    /// Nodes that use it, by ``key(of:)``: of those that report, the most interesting ones.
    var nodes: [String: NodeUse]?
    /// How many use it, for people.
    var nodeCount: Int?
    /// Of the nodes that report; nil where none has counted anything.
    var cache: Cache?
    var warmUp: WarmUp?
    var lastError: LastError?
    var conditions: [Condition]?
  }

  /// What the volume's workers on all nodes have counted since they began.
  struct Cache: Codable, Sendable, Hashable {
    /// Of reads, how many did not wait for the store: `97%`. nil before the first.
    var hitRate: String?
    /// On all nodes together.
    var cachedBytes: Int64
  }

  /// Files that are being loaded ahead.
  struct WarmUp: Codable, Sendable, Hashable {
    /// Where it is under way.
    var nodeCount: Int
    /// 0 to 100, of the node that has come least far.
    var percent: Int
  }

  struct LastError: Codable, Sendable, Hashable {
    var nodeID: String
    var message: String
  }

  /// One of `status.conditions`, as tools expect them: meta/v1 Condition.
  struct Condition: Codable, Sendable, Hashable {
    var type: String
    /// `True` or `False`.
    var status: String
    var reason: String
    var message: String
    /// RFC 3339: since when the status is this.
    var lastTransitionTime: String
  }

  var metadata: ObjectMetadata
  var spec: Spec
  var status: Status?

  /// A volume that nobody uses yet.
  init(id: String, record: VolumeRecord?) {
    metadata = ObjectMetadata(name: Self.name(of: id))
    spec = Spec(volumeID: id, record: record)
  }

  /// The nodes that use it, in the order of their ids' bytes.
  var publications: [NodePublication] {
    (status?.nodes?.values.map(\.publication) ?? []).sorted { ByteKey($0.nodeID) < ByteKey($1.nodeID) }
  }

  /// The name of a volume's object: its id where that is a name of Kubernetes, and else a hash, which is longer than any id
  /// of the driver's own. RFC 1123.
  static func name(of id: String) -> String {
    func isPlain(_ byte: UInt8?) -> Bool { byte != nil && byte != UInt8(ascii: "-") && byte != UInt8(ascii: "_") }
    let isName =
      VolumeID.isOwn(id) && !id.utf8.contains(UInt8(ascii: "_"))
      && id.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .allSatisfy { isPlain($0.first) && isPlain($0.last) }
    return isName ? id : "volume.\(Digest.sha256Hex(id))"
  }

  /// The key of a node in ``Status/nodes``: ids of nodes are no keys, since two of them may be spelled alike.
  static func key(of nodeID: String) -> String { String(Digest.sha256Hex(nodeID).prefix(32)) }
}
