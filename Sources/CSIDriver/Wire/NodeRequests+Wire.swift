internal import CSIProtocol
package import ProtobufC

// The requests of the Node service from their wire form. Fields that the service does not use are not read.
// SAFETY, everywhere here: the bytes are lent for the time of the initializer, and the values read are copies.

extension NodePublishVolumeRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__node_publish_volume_request__init).read { view in
      unsafe NodePublishVolumeRequest(
        volumeID: view.volume_id, targetPath: view.target_path,
        capability: VolumeCapability?(view.volume_capability), readOnly: view.flag(\.readonly),
        secrets: view.map(\.n_secrets, \.secrets, \.key, \.value),
        volumeContext: view.map(\.n_volume_context, \.volume_context, \.key, \.value))
    }
  }
}

extension NodeUnpublishVolumeRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__node_unpublish_volume_request__init).read { view in
      unsafe NodeUnpublishVolumeRequest(volumeID: view.volume_id, targetPath: view.target_path)
    }
  }
}

extension NodeGetVolumeStatsRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__node_get_volume_stats_request__init).read { view in
      unsafe NodeGetVolumeStatsRequest(volumeID: view.volume_id, volumePath: view.volume_path)
    }
  }
}

extension NodeExpandVolumeRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__node_expand_volume_request__init).read { view in
      unsafe NodeExpandVolumeRequest(
        volumeID: view.volume_id, volumePath: view.volume_path, capacity: CapacityRange?(view.capacity_range))
    }
  }
}

/// CSI `NodeGetCapabilitiesRequest`: no fields.
struct NodeGetCapabilitiesRequest: WireRequest {
  init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    _ = unsafe try ParsedMessage(bytes, csi__v1__node_get_capabilities_request__init)
  }
}

/// CSI `NodeGetInfoRequest`: no fields.
struct NodeGetInfoRequest: WireRequest {
  init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    _ = unsafe try ParsedMessage(bytes, csi__v1__node_get_info_request__init)
  }
}
