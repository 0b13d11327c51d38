/// Whether a volume can be used, in words for people (CSI `VolumeCondition`).
package struct VolumeCondition: Sendable, Hashable, Codable {
  /// CSI `VolumeCondition`.
  package var abnormal: Bool
  package var message: String

  package init(abnormal: Bool, message: String) {
    self.abnormal = abnormal
    self.message = message
  }
}

/// One node's use of a volume.
package struct NodePublication: Sendable, Hashable, Codable {
  /// The node's id (`--nodeid`).
  package var nodeID: String
  package var condition: VolumeCondition

  package init(nodeID: String, condition: VolumeCondition) {
    self.nodeID = nodeID
    self.condition = condition
  }
}

/// What a node service knows and a controller service of the same process wants to know. Answers at once, from memory.
package protocol PublishedVolumes: Sendable {
  /// The node's use of a volume; nil where no target of it is published there.
  func publication(of volumeID: String) -> NodePublication?
}
