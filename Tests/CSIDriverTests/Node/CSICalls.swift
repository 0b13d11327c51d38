import CSIDriver
import CSIProtocol
import GRPC
import ProtobufC

/// CSI as an orchestrator calls it: over the socket, one function per method.
struct CSICalls: Sendable {
  let client: Client
  /// Of every call; nil: none is sent.
  var timeout: Duration? = .seconds(30)

  init(_ endpoint: Endpoint) { client = Client(endpoint) }

  /// Sends a message and gives the reply's bytes.
  func call<Message>(
    _ method: String, _ message: MessageBuilder<Message>, waitForReady: Bool = false
  ) async throws(RPCError) -> IncomingMessage {
    let outgoing = OutgoingMessage(message.packed())
    return try await client.call("/csi.v1.\(method)", outgoing, timeout: timeout, waitForReady: waitForReady)
  }

  /// Waits for a server that is about to listen.
  func probe() async throws(RPCError) {
    _ = try await call("Identity/Probe", MessageBuilder(csi__v1__probe_request__init), waitForReady: true)
  }

  /// - Returns: the volume's id and context.
  func create(
    _ name: String, parameters: [String: String], capacity: Int64 = 0
  ) async throws -> (id: String, context: [String: String]) {
    let request = MessageBuilder(csi__v1__create_volume_request__init)
    request.name = name
    request.setList(
      \.n_volume_capabilities, \.volume_capabilities, [NodeFixture.capability], csi__v1__volume_capability__init
    ) { Self.fill($0, $1) }
    request.setMap(
      \.n_parameters, \.parameters, parameters, csi__v1__create_volume_request__parameters_entry__init, \.key, \.value)
    if capacity > 0 { request.make(\.capacity_range, csi__v1__capacity_range__init).required_bytes = capacity }
    let reply = try await call("Controller/CreateVolume", request)
    return try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__create_volume_response__init).read { view in
        let volume: MessageView<Csi__V1__Volume>? = view.volume
        guard let volume else { return ("", [:]) }
        return (volume.volume_id, volume.map(\.n_volume_context, \.volume_context, \.key, \.value))
      }
    }
  }

  func delete(_ id: String) async throws(RPCError) {
    let request = MessageBuilder(csi__v1__delete_volume_request__init)
    request.volume_id = id
    _ = try await call("Controller/DeleteVolume", request)
  }

  func publish(
    _ id: String, at target: String, context: [String: String],
    capability: VolumeCapability = NodeFixture.capability, readOnly: Bool = false, secrets: [String: String] = [:]
  ) async throws(RPCError) {
    let request = MessageBuilder(csi__v1__node_publish_volume_request__init)
    request.volume_id = id
    request.target_path = target
    Self.fill(request.make(\.volume_capability, csi__v1__volume_capability__init), capability)
    request.setFlag(\.readonly, readOnly)
    request.setMap(
      \.n_volume_context, \.volume_context, context,
      csi__v1__node_publish_volume_request__volume_context_entry__init, \.key, \.value)
    request.setMap(
      \.n_secrets, \.secrets, secrets, csi__v1__node_publish_volume_request__secrets_entry__init, \.key, \.value)
    _ = try await call("Node/NodePublishVolume", request)
  }

  func unpublish(_ id: String, at target: String) async throws(RPCError) {
    let request = MessageBuilder(csi__v1__node_unpublish_volume_request__init)
    request.volume_id = id
    request.target_path = target
    _ = try await call("Node/NodeUnpublishVolume", request)
  }

  /// What NodeGetVolumeStats answers: bytes in all by unit (1 bytes, 2 inodes), and the condition.
  func stats(_ id: String, at path: String) async throws -> (totals: [UInt32: Int64], condition: VolumeCondition) {
    let request = MessageBuilder(csi__v1__node_get_volume_stats_request__init)
    request.volume_id = id
    request.volume_path = path
    let reply = try await call("Node/NodeGetVolumeStats", request)
    return try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__node_get_volume_stats_response__init).read { view in
        let usage = view.list(\.n_usage, \.usage) { (UInt32($0.unit.rawValue), $0.total) }
        var condition = VolumeCondition(abnormal: false, message: "")
        let sent: MessageView<Csi__V1__VolumeCondition>? = view.volume_condition
        if let sent { condition = VolumeCondition(abnormal: sent.flag(\.abnormal), message: sent.message) }
        return (Dictionary(usage) { first, _ in first }, condition)
      }
    }
  }

  func expand(_ id: String, at path: String, to required: Int64) async throws -> Int64 {
    let request = MessageBuilder(csi__v1__node_expand_volume_request__init)
    request.volume_id = id
    request.volume_path = path
    request.make(\.capacity_range, csi__v1__capacity_range__init).required_bytes = required
    let reply = try await call("Node/NodeExpandVolume", request)
    return try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__node_expand_volume_response__init).read { $0.capacity_bytes }
    }
  }

  func info() async throws -> (nodeID: String, maximumVolumes: Int64) {
    let reply = try await call("Node/NodeGetInfo", MessageBuilder(csi__v1__node_get_info_request__init))
    return try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__node_get_info_response__init).read { ($0.node_id, $0.max_volumes_per_node) }
    }
  }

  /// The numbers of the node's capabilities.
  func capabilities() async throws -> [UInt32] {
    let request = MessageBuilder(csi__v1__node_get_capabilities_request__init)
    let reply = try await call("Node/NodeGetCapabilities", request)
    return try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__node_get_capabilities_response__init).read { view in
        view.list(\.n_capabilities, \.capabilities) { capability -> UInt32 in
          let rpc: MessageView<Csi__V1__NodeServiceCapability__RPC>? = capability.rpc
          guard let rpc else { return 0 }
          return UInt32(rpc.type.rawValue)
        }
      }
    }
  }

  private static func fill(_ message: MessageBuilder<Csi__V1__VolumeCapability>, _ capability: VolumeCapability) {
    message.make(\.access_mode, csi__v1__volume_capability__access_mode__init).mode =
      Csi__V1__VolumeCapability__AccessMode__Mode(rawValue: .init(capability.accessMode.rawValue))
    switch capability.accessType {
    case .mount(let mount):
      message.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
      let nested = message.make(\.mount, csi__v1__volume_capability__mount_volume__init)
      nested.fs_type = mount.fileSystemType
      nested.volume_mount_group = mount.volumeMountGroup
      nested.setStrings(\.n_mount_flags, \.mount_flags, mount.mountFlags)
    case .block:
      message.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK
      message.make(\.block, csi__v1__volume_capability__block_volume__init)
    case nil: break
    }
  }
}
