internal import CSIProtocol
package import GRPC
internal import ProtobufC

/// Asks a plugin's own socket whether it serves, as the kubelet's sidecars do.
package final class ProbeClient: Sendable {
  private let client: Client

  package init(_ endpoint: Endpoint) { client = Client(endpoint) }

  /// Returns once it has answered a call that looks at nothing.
  /// - Throws: where nobody answers in time.
  package func checkAnswers(within patience: Duration) async throws(RPCError) {
    let request = unsafe OutgoingMessage(packing: MessageBuilder(csi__v1__get_plugin_info_request__init))
    _ = try await client.call("/csi.v1.Identity/GetPluginInfo", request, timeout: patience, waitForReady: true)
  }

  /// Whether it says that it is ready.
  /// - Throws: where nobody answers in time.
  package func isReady(within patience: Duration) async throws(RPCError) -> Bool {
    let request = unsafe OutgoingMessage(packing: MessageBuilder(csi__v1__probe_request__init))
    let reply = try await client.call("/csi.v1.Identity/Probe", request, timeout: patience, waitForReady: true)
    do {
      // SAFETY: the bytes are lent for the time of the closure.
      return unsafe try reply.withBytes { bytes throws(WireError) in
        unsafe try ParsedMessage(bytes, csi__v1__probe_response__init).read { reply in
          // CSI: without a word the plugin is ready.
          if let ready = unsafe reply.ready { unsafe ready.flag(\.value) } else { true }
        }
      }
    } catch {
      throw RPCError(.internal, "the answer to Probe cannot be read: \(error)")
    }
  }
}
