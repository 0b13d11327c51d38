import CSIProtocol
import ProtobufC
import Testing

@Suite("Messages built and parsed")
struct RoundTripTests {
  @Test("what was built is read back: strings, maps, lists, nested messages, a oneof")
  func roundTrip() throws {
    let request = MessageBuilder(csi__v1__create_volume_request__init)
    request.name = "claim-ü"
    request.make(\.capacity_range, csi__v1__capacity_range__init).required_bytes = 1 << 40
    let parameters = ["path": "file:///data", "": "empty key", "empty value": ""]
    request.setMap(
      \.n_parameters, \.parameters, parameters, csi__v1__create_volume_request__parameters_entry__init, \.key, \.value)
    request.setList(
      \.n_volume_capabilities, \.volume_capabilities, [["ro", "noatime"], []], csi__v1__volume_capability__init
    ) { capability, flags in
      capability.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
      let mount = capability.make(\.mount, csi__v1__volume_capability__mount_volume__init)
      mount.setStrings(\.n_mount_flags, \.mount_flags, flags)
      capability.make(\.access_mode, csi__v1__volume_capability__access_mode__init).mode =
        CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_MULTI_WRITER
    }

    let bytes = request.packed()
    #expect(bytes.count == request.packedSize)
    try bytes.withUnsafeBytes { bytes in
      try ParsedMessage(bytes, csi__v1__create_volume_request__init).read { view in
        #expect(view.name == "claim-ü")
        #expect(view.capacity_range?.required_bytes == 1 << 40)
        #expect(view.volume_content_source == nil)
        #expect(view.map(\.n_parameters, \.parameters, \.key, \.value) == parameters)
        #expect(view.map(\.n_secrets, \.secrets, \.key, \.value) == [:])
        let flags = view.list(\.n_volume_capabilities, \.volume_capabilities) { capability in
          capability.mount?.strings(\.n_mount_flags, \.mount_flags)
        }
        #expect(flags == [["ro", "noatime"], []])
      }
    }
  }
}
