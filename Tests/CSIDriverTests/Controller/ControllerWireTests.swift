import CSIDriver
import CSIProtocol
import GRPC
import ProtobufC
import TestSupport
import Testing

@Suite("Identity and controller over gRPC", .timeLimit(.minutes(2)))
struct ControllerWireTests {
  @Test("a volume is created, listed, looked at, expanded and deleted")
  func life() async throws {
    let served = try ServedController()
    var parameters = ControllerFixture.directory("delete").merging(ControllerFixture.metadata) { $1 }
    parameters["path"] = "file://\(served.fixture.data)"
    let volume = try await served.calls.create("pvc-1", parameters: parameters, capacity: 1 << 20)
    #expect(volume.id == "pvc-1")
    #expect(volume.context["path"] == "file://\(served.fixture.data)/team-claim-pvc-1")

    let list = try await served.calls.call(
      "Controller/ListVolumes", MessageBuilder(csi__v1__list_volumes_request__init))
    let listed = try list.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__list_volumes_response__init).read { view in
        view.list(\.n_entries, \.entries) { entry -> [String] in
          let volume: MessageView<Csi__V1__Volume>? = entry.volume
          let status: MessageView<Csi__V1__ListVolumesResponse__VolumeStatus>? = entry.status
          guard let volume, let status else { return [] }
          let condition: MessageView<Csi__V1__VolumeCondition>? = status.volume_condition
          guard let condition else { return [] }
          return [volume.volume_id, "\(volume.capacity_bytes)", "\(condition.flag(\.abnormal))"]
        }
      }
    }
    #expect(listed == [["pvc-1", "1048576", "false"]])

    let expand = MessageBuilder(csi__v1__controller_expand_volume_request__init)
    expand.volume_id = "pvc-1"
    expand.make(\.capacity_range, csi__v1__capacity_range__init).required_bytes = 1 << 21
    let expanded = try await served.calls.call("Controller/ControllerExpandVolume", expand)
    let (bytes, onNode) = try expanded.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__controller_expand_volume_response__init).read {
        ($0.capacity_bytes, $0.flag(\.node_expansion_required))
      }
    }
    #expect(bytes == 1 << 21)
    #expect(onNode)

    let get = MessageBuilder(csi__v1__controller_get_volume_request__init)
    get.volume_id = "pvc-1"
    #expect(try await served.calls.call("Controller/ControllerGetVolume", get).count > 0)
    try await served.calls.delete("pvc-1")
    let gone = await #expect(throws: RPCError.self) {
      _ = try await served.calls.call("Controller/ControllerGetVolume", get)
    }
    #expect(gone?.code == .notFound)
    await served.stop()
  }

  @Test("the plugin says who it is, what it offers, and whether it can serve", arguments: [true, false])
  func identity(isReady: Bool) async throws {
    let served = try ServedController(isReady: { isReady })
    let info = try await served.calls.call(
      "Identity/GetPluginInfo", MessageBuilder(csi__v1__get_plugin_info_request__init))
    let (name, version, manifest) = try info.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__get_plugin_info_response__init).read {
        ($0.name, $0.vendor_version, $0.map(\.n_manifest, \.manifest, \.key, \.value))
      }
    }
    #expect(name == "alluxio")
    #expect(version == "1.2.3")
    #expect(manifest == ["key": "value"])

    let request = MessageBuilder(csi__v1__get_plugin_capabilities_request__init)
    let capabilities = try await served.calls.call("Identity/GetPluginCapabilities", request)
    let kinds = try capabilities.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__get_plugin_capabilities_response__init).read { view in
        view.list(\.n_capabilities, \.capabilities) { $0.type_case.rawValue }
      }
    }
    #expect(kinds.count == 2)

    let probe = try await served.calls.call("Identity/Probe", MessageBuilder(csi__v1__probe_request__init))
    let ready = try probe.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__probe_response__init).read { view -> Bool? in
        let ready: MessageView<Google__Protobuf__BoolValue>? = view.ready
        guard let ready else { return nil }
        return ready.flag(\.value)
      }
    }
    #expect(ready == isReady)
    await served.stop()
  }

  @Test("the controller offers what it should and nothing else")
  func capabilities() async throws {
    let served = try ServedController()
    let request = MessageBuilder(csi__v1__controller_get_capabilities_request__init)
    let reply = try await served.calls.call("Controller/ControllerGetCapabilities", request)
    let types = try reply.withBytes { bytes in
      try ParsedMessage(bytes, csi__v1__controller_get_capabilities_response__init).read { view in
        view.list(\.n_capabilities, \.capabilities) { capability -> UInt32 in
          let rpc: MessageView<Csi__V1__ControllerServiceCapability__RPC>? = capability.rpc
          guard let rpc else { return 0 }
          return UInt32(rpc.type.rawValue)
        }
      }
    }
    #expect(types == [1, 3, 4, 9, 11, 12, 13])
    await served.stop()
  }

  @Test("what is not offered says so with its reason")
  func notOffered() async throws {
    let served = try ServedController()
    for method in [
      "ControllerPublishVolume", "ControllerUnpublishVolume", "CreateSnapshot", "DeleteSnapshot", "ListSnapshots",
      "GetSnapshot", "ControllerModifyVolume",
    ] {
      let (code, text) = await served.send("Controller/\(method)", [])
      #expect(code == .unimplemented)
      #expect(text.contains("is not offered: "))
    }
    #expect(await served.send("GroupController/CreateVolumeGroupSnapshot", []).code == .unimplemented)
    await served.stop()
  }

  @Test("bytes that are no message, NULs and bad UTF-8 are invalid, and no volume comes of them")
  func badBytes() async throws {
    let served = try ServedController()
    let nul: [UInt8] = [0x0A, 3, 0x61, 0, 0x62]
    let badText: [UInt8] = [0x0A, 2, 0xC3, 0x28]
    let truncated: [UInt8] = [0x0A, 100, 0x61]
    for bytes in [nul, badText, truncated, [0xFF, 0xFF], Array(repeating: 0x0B, count: 64)] {
      for method in ["CreateVolume", "DeleteVolume", "ControllerGetVolume", "ValidateVolumeCapabilities"] {
        let (code, text) = await served.send("Controller/\(method)", bytes)
        #expect(code == .invalidArgument, "\(method) \(bytes)")
        #expect(text.contains("cannot be read"))
      }
    }
    #expect(try await served.fixture.registry.volumes(after: nil, limit: 10) == [])
    await served.stop()
  }

  @Test("200 clients at once are served")
  func manyClients() async throws {
    let served = try ServedController()
    let parameters = ["path": "file://\(served.fixture.data)"]
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<200 {
        group.addTask { _ = try await served.calls.create("v\(index)", parameters: parameters) }
      }
      try await group.waitForAll()
    }
    #expect(try await served.fixture.registry.volumes(after: nil, limit: 1000).count == 200)
    await served.stop()
  }
}
