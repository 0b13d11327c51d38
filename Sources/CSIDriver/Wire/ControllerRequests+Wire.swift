internal import CSIProtocol
package import ProtobufC

// Each request off the wire. SAFETY, for every one of them: the bytes are lent for the time of the initializer, and the
// parsed message is read within `read`.

extension CreateVolumeRequest: WireRequest {
  package var loggedVolume: String? { name }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__create_volume_request__init).read { view in
      var source: ContentSource?
      if let given = unsafe view.volume_content_source {
        source = unsafe given.type_case == CSI__V1__VOLUME_CONTENT_SOURCE__TYPE_SNAPSHOT ? .snapshot : .volume
      }
      return unsafe CreateVolumeRequest(
        name: view.name, capacity: CapacityRange?(view.capacity_range),
        capabilities: view.list(\.n_volume_capabilities, \.volume_capabilities) { unsafe VolumeCapability($0) },
        parameters: view.map(\.n_parameters, \.parameters, \.key, \.value),
        secrets: view.map(\.n_secrets, \.secrets, \.key, \.value), contentSource: source,
        mutableParameters: view.map(\.n_mutable_parameters, \.mutable_parameters, \.key, \.value))
    }
  }
}

extension DeleteVolumeRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__delete_volume_request__init).read { view in
      unsafe DeleteVolumeRequest(volumeID: view.volume_id, secrets: view.map(\.n_secrets, \.secrets, \.key, \.value))
    }
  }
}

extension ValidateVolumeCapabilitiesRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__validate_volume_capabilities_request__init).read { view in
      unsafe ValidateVolumeCapabilitiesRequest(
        volumeID: view.volume_id,
        volumeContext: view.map(\.n_volume_context, \.volume_context, \.key, \.value),
        capabilities: view.list(\.n_volume_capabilities, \.volume_capabilities) { unsafe VolumeCapability($0) },
        parameters: view.map(\.n_parameters, \.parameters, \.key, \.value),
        mutableParameters: view.map(\.n_mutable_parameters, \.mutable_parameters, \.key, \.value))
    }
  }
}

extension ListVolumesRequest: WireRequest {
  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__list_volumes_request__init).read { view in
      unsafe ListVolumesRequest(maximumEntries: view.max_entries, startingToken: view.starting_token)
    }
  }
}

extension GetCapacityRequest: WireRequest {
  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__get_capacity_request__init).read { view in
      unsafe GetCapacityRequest(
        capabilities: view.list(\.n_volume_capabilities, \.volume_capabilities) { unsafe VolumeCapability($0) },
        parameters: view.map(\.n_parameters, \.parameters, \.key, \.value))
    }
  }
}

extension ControllerExpandVolumeRequest: WireRequest {
  package var loggedVolume: String? { volumeID }

  package init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    self = unsafe try ParsedMessage(bytes, csi__v1__controller_expand_volume_request__init).read { view in
      return unsafe ControllerExpandVolumeRequest(
        volumeID: view.volume_id, capacity: CapacityRange?(view.capacity_range),
        capability: VolumeCapability?(view.volume_capability),
        secrets: view.map(\.n_secrets, \.secrets, \.key, \.value))
    }
  }
}

/// CSI `ControllerGetVolumeRequest`.
struct ControllerGetVolumeRequest: WireRequest {
  var volumeID: String
  var loggedVolume: String? { volumeID }

  init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    volumeID = unsafe try ParsedMessage(bytes, csi__v1__controller_get_volume_request__init).read {
      unsafe $0.volume_id
    }
  }
}

/// CSI `ControllerGetCapabilitiesRequest`.
struct ControllerGetCapabilitiesRequest: WireRequest {
  init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    _ = unsafe try ParsedMessage(bytes, csi__v1__controller_get_capabilities_request__init)
  }
}
