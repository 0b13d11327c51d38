/// A volume with its condition: an entry of `ListVolumesResponse`, and all of `ControllerGetVolumeResponse`.
package struct VolumeStatus: Sendable, Hashable {
  /// The volume, and whether something is wrong with it.
  package var volume: Volume
  package var condition: VolumeCondition
}

/// CSI `ListVolumesResponse`.
package struct VolumePage: Sendable, Hashable {
  /// At most as many as were asked for, in the order of their ids.
  package var entries: [VolumeStatus]
  /// Empty: no more.
  package var nextToken: String
}

/// CSI `ValidateVolumeCapabilitiesResponse`.
package enum CapabilityVerdict: Sendable, Hashable {
  /// With what of the request was looked at.
  case confirmed(context: [String: String], capabilities: [VolumeCapability], parameters: [String: String])
  /// Why not.
  case unconfirmed(String)
}

/// CSI `ControllerExpandVolumeResponse`.
package struct Expansion: Sendable, Hashable {
  /// What the volume holds now.
  package var capacityBytes: Int64
  package var nodeExpansionRequired: Bool

  package init(capacityBytes: Int64, nodeExpansionRequired: Bool) {
    self.capacityBytes = capacityBytes
    self.nodeExpansionRequired = nodeExpansionRequired
  }
}

/// CSI `ControllerServiceCapability.RPC.Type`, with its numbers.
package enum ControllerCapability: UInt32, Sendable, CaseIterable {
  case createDeleteVolume = 1
  case listVolumes = 3
  case getCapacity = 4
  case expandVolume = 9
  case volumeCondition = 11
  case getVolume = 12
  case singleNodeMultiWriter = 13
}
