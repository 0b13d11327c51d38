internal import CSIProtocol
internal import ProtobufC

// The replies of the Node service to their wire form.
// SAFETY, everywhere here: a builder owns the memory of its whole message.

extension NodeVolumeStats {
  func message() -> MessageBuilder<Csi__V1__NodeGetVolumeStatsResponse> {
    let response = unsafe MessageBuilder(csi__v1__node_get_volume_stats_response__init)
    let usages = [(bytes, CSI__V1__VOLUME_USAGE__UNIT__BYTES), (inodes, CSI__V1__VOLUME_USAGE__UNIT__INODES)]
    let known = usages.compactMap { usage, unit in usage.map { ($0, unit) } }
    unsafe response.setList(\.n_usage, \.usage, known, csi__v1__volume_usage__init) { message, entry in
      unsafe message.available = entry.0.available
      unsafe message.total = entry.0.total
      unsafe message.used = entry.0.used
      unsafe message.unit = entry.1
    }
    unsafe condition.write(to: response.make(\.volume_condition, csi__v1__volume_condition__init))
    return unsafe response
  }
}

extension NodeService {
  /// What NodeGetCapabilities answers; there is no staging.
  static let capabilities = [
    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__GET_VOLUME_STATS,
    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__EXPAND_VOLUME,
    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__VOLUME_CONDITION,
    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__SINGLE_NODE_MULTI_WRITER,
    CSI__V1__NODE_SERVICE_CAPABILITY__RPC__TYPE__VOLUME_MOUNT_GROUP,
  ]

  static func capabilitiesMessage() -> MessageBuilder<Csi__V1__NodeGetCapabilitiesResponse> {
    let response = unsafe MessageBuilder(csi__v1__node_get_capabilities_response__init)
    unsafe response.setList(
      \.n_capabilities, \.capabilities, capabilities, csi__v1__node_service_capability__init
    ) { message, type in
      unsafe message.type_case = CSI__V1__NODE_SERVICE_CAPABILITY__TYPE_RPC
      unsafe message.make(\.rpc, csi__v1__node_service_capability__rpc__init).type = type
    }
    return unsafe response
  }

  func infoMessage() -> MessageBuilder<Csi__V1__NodeGetInfoResponse> {
    let response = unsafe MessageBuilder(csi__v1__node_get_info_response__init)
    unsafe response.node_id = info.nodeID
    unsafe response.max_volumes_per_node = info.maximumVolumes
    return unsafe response
  }
}
