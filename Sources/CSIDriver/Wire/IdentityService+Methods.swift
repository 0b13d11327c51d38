internal import CSIProtocol
package import GRPC
internal import ProtobufC

/// The three requests of the Identity service have no fields.
private struct EmptyRequest: WireRequest {
  init(wire bytes: UnsafeRawBufferPointer) throws(WireError) {
    // SAFETY: the bytes are lent for the time of the initializer.
    _ = unsafe try ParsedMessage(bytes, csi__v1__probe_request__init)
  }
}

extension IdentityService {
  /// The service's methods by their full names.
  package var methods: [String: UnaryHandler] {
    [
      "/csi.v1.Identity/GetPluginInfo": UnaryMethod.handler(EmptyRequest.self) { _, _ throws(CSIError) in pluginInfo },
      "/csi.v1.Identity/GetPluginCapabilities": UnaryMethod.handler(EmptyRequest.self) { _, _ throws(CSIError) in
        pluginCapabilities
      },
      "/csi.v1.Identity/Probe": UnaryMethod.handler(EmptyRequest.self) { _, _ throws(CSIError) in
        let isReady = await probe()
        let reply = unsafe MessageBuilder(csi__v1__probe_response__init)
        unsafe reply.make(\.ready, google__protobuf__bool_value__init).setFlag(\.value, isReady)
        return unsafe OutgoingMessage(packing: reply)
      },
    ]
  }

  private var pluginInfo: OutgoingMessage {
    let reply = unsafe MessageBuilder(csi__v1__get_plugin_info_response__init)
    unsafe reply.name = name
    unsafe reply.vendor_version = version
    unsafe reply.setMap(
      \.n_manifest, \.manifest, manifest, csi__v1__get_plugin_info_response__manifest_entry__init, \.key, \.value)
    return unsafe OutgoingMessage(packing: reply)
  }

  private var pluginCapabilities: OutgoingMessage {
    let reply = unsafe MessageBuilder(csi__v1__get_plugin_capabilities_response__init)
    let kinds: [Bool] = hasController ? [true, false] : [false]
    unsafe reply.setList(\.n_capabilities, \.capabilities, kinds, csi__v1__plugin_capability__init) {
      item, isController in
      if isController {
        unsafe item.type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_SERVICE
        unsafe item.make(\.service, csi__v1__plugin_capability__service__init).type =
          CSI__V1__PLUGIN_CAPABILITY__SERVICE__TYPE__CONTROLLER_SERVICE
      } else {
        unsafe item.type_case = CSI__V1__PLUGIN_CAPABILITY__TYPE_VOLUME_EXPANSION
        unsafe item.make(\.volume_expansion, csi__v1__plugin_capability__volume_expansion__init).type =
          CSI__V1__PLUGIN_CAPABILITY__VOLUME_EXPANSION__TYPE__ONLINE
      }
    }
    return unsafe OutgoingMessage(packing: reply)
  }
}
