internal import CSIProtocol
package import GRPC
internal import ProtobufC

/// The CSI calls that benchmarks and the fault matrix need, over our own client.
package struct CSICalls: Sendable {
  private let client: Client

  package init(client: Client) { self.client = client }

  package func probe() async throws {
    _ = try await client.call("/csi.v1.Identity/Probe", OutgoingMessage())
  }

  package func createVolume(_ name: String, path: String) async throws {
    let request = MessageBuilder(csi__v1__create_volume_request__init)
    request.name = name
    request.setList(
      \.n_volume_capabilities, \.volume_capabilities, [()], csi__v1__volume_capability__init
    ) { capability, _ in Self.fill(capability) }
    request.setMap(
      \.n_parameters, \.parameters, ["path": path], csi__v1__create_volume_request__parameters_entry__init, \.key,
      \.value)
    try await call("/csi.v1.Controller/CreateVolume", request)
  }

  package func deleteVolume(_ id: String) async throws {
    let request = MessageBuilder(csi__v1__delete_volume_request__init)
    request.volume_id = id
    try await call("/csi.v1.Controller/DeleteVolume", request)
  }

  package func publish(
    _ id: String, path: String, at target: String, attributes: [String: String] = [:], secrets: [String: String] = [:]
  ) async throws {
    let request = MessageBuilder(csi__v1__node_publish_volume_request__init)
    request.volume_id = id
    request.target_path = target
    Self.fill(request.make(\.volume_capability, csi__v1__volume_capability__init))
    request.setMap(
      \.n_volume_context, \.volume_context, attributes.merging(["path": path]) { $1 },
      csi__v1__node_publish_volume_request__volume_context_entry__init, \.key, \.value)
    if !secrets.isEmpty {
      request.setMap(
        \.n_secrets, \.secrets, secrets, csi__v1__node_publish_volume_request__secrets_entry__init, \.key, \.value)
    }
    try await call("/csi.v1.Node/NodePublishVolume", request)
  }

  package func unpublish(_ id: String, at target: String) async throws {
    let request = MessageBuilder(csi__v1__node_unpublish_volume_request__init)
    request.volume_id = id
    request.target_path = target
    try await call("/csi.v1.Node/NodeUnpublishVolume", request)
  }

  private func call<Message>(_ method: String, _ request: MessageBuilder<Message>) async throws {
    let message = OutgoingMessage(request.packed())
    _ = try await client.call(method, message, timeout: .seconds(60))
  }

  private static func fill(_ capability: MessageBuilder<Csi__V1__VolumeCapability>) {
    capability.make(\.mount, csi__v1__volume_capability__mount_volume__init)
    capability.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
    let mode = capability.make(\.access_mode, csi__v1__volume_capability__access_mode__init)
    mode.mode = CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_MULTI_WRITER
  }
}
