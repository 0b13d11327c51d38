internal import Kubernetes
internal import VolumeModel

/// `csi.alluxio.com/v1alpha1` AlluxioNode: what one node says of the volumes that are published there. The plugin of that
/// node writes it and nobody else does; controllers read it. Its definition stands in the chart.
struct AlluxioNode: KubernetesObject {
  static let resource = APIResource(
    group: "csi.alluxio.com", version: "v1alpha1", kind: "AlluxioNode", plural: "alluxionodes", isNamespaced: false)

  struct Spec: Codable, Sendable, Hashable {
    /// As the plugin was given it (`--nodeid`).
    var nodeID: String
  }

  /// One volume, whatever its workers. Most are all right and have an id and counts.
  struct Volume: Codable, Sendable, Hashable {
    /// As CSI names it.
    var volumeID: String
    /// Written into a pod: it goes with the pod, and has no object of its own.
    var inline: Bool?
    /// nil: it is not.
    var abnormal: Bool?
    /// What is abnormal.
    var message: String?
    var cache: Cache?
    /// 0 to 100 while its files are being loaded ahead.
    var warmUpPercent: Int?
    /// The last thing that went wrong, also when it is over.
    var lastError: String?
  }

  /// Rounded (``ReportedNumber``), since the workers that are there now began.
  struct Cache: Codable, Sendable, Hashable {
    /// In the page store now.
    var cachedBytes: Int64
    /// Reads, as ``VolumeCounters`` counts them.
    var hits: Int64
    var misses: Int64
    var bytesFromCache: Int64
    var bytesFromStore: Int64
  }

  struct Status: Codable, Sendable, Hashable {
    var volumes: [Volume]?
    /// All of them, also those that are left out.
    var volumeCount: Int?
    var abnormalCount: Int?
    /// Volumes that are not even named.
    var omittedCount: Int?
    /// RFC 3339, by the node's clock: for people. That it changes tells controllers that the node is there.
    var reportedAt: String?
  }

  var metadata: ObjectMetadata
  var spec: Spec
  var status: Status?

  init(nodeID: String) {
    metadata = ObjectMetadata(name: Self.name(of: nodeID))
    spec = Spec(nodeID: nodeID)
  }

  /// The name of a node's object: that of the node, so that a policy of admission can compare them, or a hash where the id
  /// is no name of Kubernetes. RFC 1123.
  static func name(of nodeID: String) -> String {
    func isPlain(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    let isName =
      nodeID.utf8.count <= 253
      && nodeID.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy { label in
        label.allSatisfy { isPlain($0) || $0 == UInt8(ascii: "-") } && label.first.map(isPlain) == true
          && label.last.map(isPlain) == true
      }
    return isName ? nodeID : "node.\(Digest.sha256Hex(nodeID))"
  }
}

/// Counts as reports have them: two that are nearly the same are the same, so that what stands still is not written again.
enum ReportedNumber {
  /// Three digits and zeros.
  static func rounded(_ value: UInt64) -> Int64 {
    var unit: UInt64 = 1
    while value / unit >= 1_000 { unit *= 10 }
    let (sum, overflow) = value.addingReportingOverflow(unit / 2)
    return Int64(clamping: (overflow ? value : sum) / unit * unit)
  }
}

/// Words as reports have them.
enum ReportedText {
  /// Of a sentence.
  static let limit = 256

  /// At most so many bytes, and whole characters.
  static func cut(_ text: String, to limit: Int = limit) -> String {
    guard text.utf8.count > limit else { return text }
    var result = text.prefix(limit)
    while result.utf8.count > limit - 3 { result.removeLast() }
    return "\(result)…"
  }
}
