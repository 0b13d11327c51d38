internal import CSIProtocol
package import GRPC
internal import LinuxSystem
internal import ProtobufC

extension NodeService {
  private static func name(_ method: String) -> String { "/csi.v1.Node/\(method)" }

  /// The service's methods by their full names.
  package var methods: [String: UnaryHandler] {
    [
      Self.name("NodePublishVolume"): UnaryMethod.handler(NodePublishVolumeRequest.self) {
        [self] request, deadline throws(CSIError) in
        try await publish(request, by: Self.answerTime(deadline))
        return OutgoingMessage()
      },
      Self.name("NodeUnpublishVolume"): UnaryMethod.handler(NodeUnpublishVolumeRequest.self) {
        [self] request, deadline throws(CSIError) in
        try await unpublish(request, by: Self.answerTime(deadline))
        return OutgoingMessage()
      },
      Self.name("NodeGetVolumeStats"): UnaryMethod.handler(NodeGetVolumeStatsRequest.self) {
        [self] request, deadline throws(CSIError) in
        unsafe OutgoingMessage(packing: try await stats(request, by: Self.answerTime(deadline)).message())
      },
      Self.name("NodeExpandVolume"): UnaryMethod.handler(NodeExpandVolumeRequest.self) {
        [self] request, deadline throws(CSIError) in
        let capacity = try await expand(request, by: Self.answerTime(deadline))
        let reply = unsafe MessageBuilder(csi__v1__node_expand_volume_response__init)
        unsafe reply.capacity_bytes = capacity
        return unsafe OutgoingMessage(packing: reply)
      },
      Self.name("NodeGetCapabilities"): UnaryMethod.handler(NodeGetCapabilitiesRequest.self) { _, _ throws(CSIError) in
        unsafe OutgoingMessage(packing: Self.capabilitiesMessage())
      },
      Self.name("NodeGetInfo"): UnaryMethod.handler(NodeGetInfoRequest.self) { [self] _, _ throws(CSIError) in
        unsafe OutgoingMessage(packing: infoMessage())
      },
      Self.name("NodeStageVolume"): UnaryMethod.notOffered("volumes are published without staging"),
      Self.name("NodeUnstageVolume"): UnaryMethod.notOffered("volumes are published without staging"),
    ]
  }

  /// A little before the caller gives up, so that it reads what was waited for, and not only that time ran out.
  private static func answerTime(_ deadline: Deadline) -> Deadline {
    let left = deadline.remaining()
    return .after(left - min(left / 10, .seconds(1)))
  }
}
