internal import CSIProtocol
internal import ProtobufC

// The requests of the Node service from their wire form. Fields that the service does not use are not read.

extension NodePublishVolumeRequest {
  init(_ view: borrowing MessageView<Csi__V1__NodePublishVolumeRequest>) {
    self.init(
      volumeID: view.volume_id, targetPath: view.target_path,
      capability: VolumeCapability?(view.volume_capability), readOnly: view.flag(\.readonly),
      secrets: view.map(\.n_secrets, \.secrets, \.key, \.value),
      volumeContext: view.map(\.n_volume_context, \.volume_context, \.key, \.value))
  }
}

extension NodeUnpublishVolumeRequest {
  init(_ view: borrowing MessageView<Csi__V1__NodeUnpublishVolumeRequest>) {
    self.init(volumeID: view.volume_id, targetPath: view.target_path)
  }
}

extension NodeGetVolumeStatsRequest {
  init(_ view: borrowing MessageView<Csi__V1__NodeGetVolumeStatsRequest>) {
    self.init(volumeID: view.volume_id, volumePath: view.volume_path)
  }
}

extension NodeExpandVolumeRequest {
  init(_ view: borrowing MessageView<Csi__V1__NodeExpandVolumeRequest>) {
    self.init(
      volumeID: view.volume_id, volumePath: view.volume_path, capacity: CapacityRange?(view.capacity_range))
  }
}
