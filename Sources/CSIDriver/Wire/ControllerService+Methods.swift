internal import CSIProtocol
package import GRPC
internal import ProtobufC

extension ControllerService {
  private static func name(_ method: String) -> String { "/csi.v1.Controller/\(method)" }

  /// The service's methods by their full names.
  package var methods: [String: UnaryHandler] {
    volumeMethods.merging(queryMethods) { first, _ in first }.merging(Self.methodsNotOffered) { first, _ in first }
  }

  private var volumeMethods: [String: UnaryHandler] {
    [
      Self.name("CreateVolume"): UnaryMethod.handler(CreateVolumeRequest.self) { request, deadline throws(CSIError) in
        let volume = try await create(request, by: deadline)
        let reply = unsafe MessageBuilder(csi__v1__create_volume_response__init)
        unsafe volume.fill(reply.make(\.volume, csi__v1__volume__init))
        return unsafe OutgoingMessage(packing: reply)
      },
      Self.name("DeleteVolume"): UnaryMethod.handler(DeleteVolumeRequest.self) { request, deadline throws(CSIError) in
        try await delete(request, by: deadline)
        return OutgoingMessage()
      },
      Self.name("ControllerExpandVolume"): UnaryMethod.handler(ControllerExpandVolumeRequest.self) {
        request, _ throws(CSIError) in
        let expansion = try await expand(request)
        let reply = unsafe MessageBuilder(csi__v1__controller_expand_volume_response__init)
        unsafe reply.capacity_bytes = expansion.capacityBytes
        unsafe reply.setFlag(\.node_expansion_required, expansion.nodeExpansionRequired)
        return unsafe OutgoingMessage(packing: reply)
      },
      Self.name("ControllerGetVolume"): UnaryMethod.handler(ControllerGetVolumeRequest.self) {
        request, deadline throws(CSIError) in
        let status = try await volume(id: request.volumeID, by: deadline)
        let reply = unsafe MessageBuilder(csi__v1__controller_get_volume_response__init)
        unsafe status.volume.fill(reply.make(\.volume, csi__v1__volume__init))
        let state = unsafe reply.make(\.status, csi__v1__controller_get_volume_response__volume_status__init)
        unsafe status.condition.write(to: state.make(\.volume_condition, csi__v1__volume_condition__init))
        return unsafe OutgoingMessage(packing: reply)
      },
    ]
  }

  private var queryMethods: [String: UnaryHandler] {
    [
      Self.name("ListVolumes"): UnaryMethod.handler(ListVolumesRequest.self) { request, deadline throws(CSIError) in
        try await list(request, by: deadline).reply
      },
      Self.name("ValidateVolumeCapabilities"): UnaryMethod.handler(ValidateVolumeCapabilitiesRequest.self) {
        request, _ throws(CSIError) in
        try await validate(request).reply
      },
      Self.name("GetCapacity"): UnaryMethod.handler(GetCapacityRequest.self) { request, deadline throws(CSIError) in
        let free = try await capacity(request, by: deadline)
        let reply = unsafe MessageBuilder(csi__v1__get_capacity_response__init)
        unsafe reply.available_capacity = free
        return unsafe OutgoingMessage(packing: reply)
      },
      Self.name("ControllerGetCapabilities"): UnaryMethod.handler(ControllerGetCapabilitiesRequest.self) {
        _, _ throws(CSIError) in
        Self.capabilitiesReply
      },
    ]
  }

  private static var capabilitiesReply: OutgoingMessage {
    let reply = unsafe MessageBuilder(csi__v1__controller_get_capabilities_response__init)
    unsafe reply.setList(
      \.n_capabilities, \.capabilities, capabilities, csi__v1__controller_service_capability__init
    ) { item, capability in
      unsafe item.type_case = CSI__V1__CONTROLLER_SERVICE_CAPABILITY__TYPE_RPC
      unsafe item.make(\.rpc, csi__v1__controller_service_capability__rpc__init).type =
        Csi__V1__ControllerServiceCapability__RPC__Type(rawValue: .init(capability.rawValue))
    }
    return unsafe OutgoingMessage(packing: reply)
  }

  /// What CSI has and this driver does not, each with its reason.
  private static var methodsNotOffered: [String: UnaryHandler] {
    let attach = UnaryMethod.notOffered("volumes need no attaching; the node plugin mounts them")
    let snapshots = UnaryMethod.notOffered("this driver makes no snapshots")
    return [
      name("ControllerPublishVolume"): attach, name("ControllerUnpublishVolume"): attach,
      name("CreateSnapshot"): snapshots, name("DeleteSnapshot"): snapshots, name("ListSnapshots"): snapshots,
      name("GetSnapshot"): snapshots,
      name("ControllerModifyVolume"): UnaryMethod.notOffered("volumes have no attributes that can be modified"),
    ]
  }
}

extension VolumePage {
  fileprivate var reply: OutgoingMessage {
    let reply = unsafe MessageBuilder(csi__v1__list_volumes_response__init)
    unsafe reply.setList(\.n_entries, \.entries, entries, csi__v1__list_volumes_response__entry__init) {
      entry, status in
      unsafe status.volume.fill(entry.make(\.volume, csi__v1__volume__init))
      let state = unsafe entry.make(\.status, csi__v1__list_volumes_response__volume_status__init)
      unsafe status.condition.write(to: state.make(\.volume_condition, csi__v1__volume_condition__init))
    }
    unsafe reply.next_token = nextToken
    return unsafe OutgoingMessage(packing: reply)
  }
}

extension CapabilityVerdict {
  fileprivate var reply: OutgoingMessage {
    let reply = unsafe MessageBuilder(csi__v1__validate_volume_capabilities_response__init)
    switch self {
    case .unconfirmed(let reason): unsafe reply.message = reason
    case .confirmed(let context, let capabilities, let parameters):
      let confirmed = unsafe reply.make(\.confirmed, csi__v1__validate_volume_capabilities_response__confirmed__init)
      unsafe confirmed.setMap(
        \.n_volume_context, \.volume_context, context,
        csi__v1__validate_volume_capabilities_response__confirmed__volume_context_entry__init, \.key, \.value)
      unsafe confirmed.setMap(
        \.n_parameters, \.parameters, parameters,
        csi__v1__validate_volume_capabilities_response__confirmed__parameters_entry__init, \.key, \.value)
      unsafe confirmed.setList(
        \.n_volume_capabilities, \.volume_capabilities, capabilities, csi__v1__volume_capability__init
      ) { unsafe $1.fill($0) }
    }
    return unsafe OutgoingMessage(packing: reply)
  }
}
