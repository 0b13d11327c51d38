/// NodePublishVolumeRequest as Swift values. `publish_context` and `staging_target_path` are not used: there is no
/// controller publish and no staging.
package struct NodePublishVolumeRequest: Sendable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var targetPath: String
  /// nil when the request has none.
  package var capability: VolumeCapability?
  package var readOnly: Bool
  /// Never logged.
  package var secrets: [String: String]
  package var volumeContext: [String: String]

  package init(
    volumeID: String, targetPath: String, capability: VolumeCapability?, readOnly: Bool = false,
    secrets: [String: String] = [:], volumeContext: [String: String] = [:]
  ) {
    self.volumeID = volumeID
    self.targetPath = targetPath
    self.capability = capability
    self.readOnly = readOnly
    self.secrets = secrets
    self.volumeContext = volumeContext
  }
}

/// CSI `NodeUnpublishVolumeRequest`.
package struct NodeUnpublishVolumeRequest: Sendable, Hashable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var targetPath: String

  package init(volumeID: String, targetPath: String) {
    self.volumeID = volumeID
    self.targetPath = targetPath
  }
}

/// CSI `NodeGetVolumeStatsRequest`.
package struct NodeGetVolumeStatsRequest: Sendable, Hashable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var volumePath: String

  package init(volumeID: String, volumePath: String) {
    self.volumeID = volumeID
    self.volumePath = volumePath
  }
}

/// What NodeGetVolumeStats answers.
package struct NodeVolumeStats: Sendable, Hashable {
  /// One `VolumeUsage`, in bytes or inodes.
  package struct Usage: Sendable, Hashable {
    /// In the usage's unit, bytes or inodes.
    package var available: Int64
    package var total: Int64
    package var used: Int64

    package init(available: UInt64, total: UInt64, used: UInt64) {
      self.available = Int64(clamping: available)
      self.total = Int64(clamping: total)
      self.used = Int64(clamping: used)
    }
  }

  /// nil while the volume does not answer and never did.
  package var bytes: Usage?
  package var inodes: Usage?
  package var condition: VolumeCondition
}

/// CSI `NodeExpandVolumeRequest`.
package struct NodeExpandVolumeRequest: Sendable, Hashable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var volumePath: String
  package var capacity: CapacityRange?

  package init(volumeID: String, volumePath: String, capacity: CapacityRange?) {
    self.volumeID = volumeID
    self.volumePath = volumePath
    self.capacity = capacity
  }
}
