// The controller's requests as values, in the order of the specification. Fields that no handler looks at are left out.
// Secrets are there for UFS clients alone: nothing prints a request.

/// CSI `CreateVolumeRequest`.
package struct CreateVolumeRequest: Sendable {
  /// What the volume shall be filled from; neither is offered.
  package enum ContentSource: Sendable { case snapshot, volume }

  /// Fields as in csi.proto, checked by the service.
  package var name: String
  package var capacity: CapacityRange?
  package var capabilities: [VolumeCapability]
  package var parameters: [String: String]
  package var secrets: [String: String]
  package var contentSource: ContentSource?
  package var mutableParameters: [String: String]

  package init(
    name: String, capacity: CapacityRange? = nil, capabilities: [VolumeCapability], parameters: [String: String],
    secrets: [String: String] = [:], contentSource: ContentSource? = nil, mutableParameters: [String: String] = [:]
  ) {
    self.name = name
    self.capacity = capacity
    self.capabilities = capabilities
    self.parameters = parameters
    self.secrets = secrets
    self.contentSource = contentSource
    self.mutableParameters = mutableParameters
  }
}

/// CSI `DeleteVolumeRequest`.
package struct DeleteVolumeRequest: Sendable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var secrets: [String: String]

  package init(volumeID: String, secrets: [String: String] = [:]) {
    self.volumeID = volumeID
    self.secrets = secrets
  }
}

/// CSI `ValidateVolumeCapabilitiesRequest`.
package struct ValidateVolumeCapabilitiesRequest: Sendable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var volumeContext: [String: String]
  package var capabilities: [VolumeCapability]
  package var parameters: [String: String]
  package var mutableParameters: [String: String]

  package init(
    volumeID: String, volumeContext: [String: String] = [:], capabilities: [VolumeCapability],
    parameters: [String: String] = [:], mutableParameters: [String: String] = [:]
  ) {
    self.volumeID = volumeID
    self.volumeContext = volumeContext
    self.capabilities = capabilities
    self.parameters = parameters
    self.mutableParameters = mutableParameters
  }
}

/// CSI `ListVolumesRequest`.
package struct ListVolumesRequest: Sendable {
  /// 0: as many as the driver likes.
  package var maximumEntries: Int32
  /// Empty: from the beginning.
  package var startingToken: String

  package init(maximumEntries: Int32 = 0, startingToken: String = "") {
    self.maximumEntries = maximumEntries
    self.startingToken = startingToken
  }
}

/// CSI `GetCapacityRequest`.
package struct GetCapacityRequest: Sendable {
  /// Fields as in csi.proto, checked by the service.
  package var capabilities: [VolumeCapability]
  package var parameters: [String: String]

  package init(capabilities: [VolumeCapability] = [], parameters: [String: String] = [:]) {
    self.capabilities = capabilities
    self.parameters = parameters
  }
}

/// CSI `ControllerExpandVolumeRequest`.
package struct ControllerExpandVolumeRequest: Sendable {
  /// Fields as in csi.proto, checked by the service.
  package var volumeID: String
  package var capacity: CapacityRange?
  package var capability: VolumeCapability?
  package var secrets: [String: String]

  package init(
    volumeID: String, capacity: CapacityRange?, capability: VolumeCapability? = nil, secrets: [String: String] = [:]
  ) {
    self.volumeID = volumeID
    self.capacity = capacity
    self.capability = capability
    self.secrets = secrets
  }
}
