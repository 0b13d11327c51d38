import CProtobufC
import CSIDriver
import CSIProtocol
import GRPC
import LinuxSystem
import ProtobufC
import TestSupport
import Testing
import VolumeModel

@Suite("The request log", .timeLimit(.minutes(2)))
struct RequestLogTests {
  private static let canary = "canary-5eC2e7"

  @Test("every call has one line with method, volume, code and duration")
  func lines() async throws {
    let served = try ServedController()
    _ = try await served.calls.create("pvc-1", parameters: ["path": "file://\(served.fixture.data)"])
    _ = await served.send("Controller/ControllerGetVolume", [0x0A, 1, 0x78])
    _ = await served.send("Nonsense/Call", [])
    try await served.calls.probe()
    await served.stop()
    let lines = served.logged.split(separator: "\n").filter { $0.contains("\"message\":\"call\"") }
    #expect(lines.count == 4)
    #expect(lines[0].contains("\"method\":\"CreateVolume\"") && lines[0].contains("\"volume\":\"pvc-1\""))
    #expect(lines[0].contains("\"code\":\"OK\"") && lines[0].contains("\"ms\":\""))
    #expect(lines[1].contains("\"code\":\"NOT_FOUND\"") && lines[1].contains("\"level\":\"warning\""))
    #expect(lines[2].contains("\"code\":\"UNIMPLEMENTED\""))
    #expect(lines[3].contains("\"level\":\"debug\""))
  }

  @Test("the table of secret fields is what the protocol marks")
  func table() throws {
    let proto = try WholeFile.text("\(BuildFolder.sources())/Protos/csi.proto")
    var marked: Set<String> = []
    var message = ""
    for line in proto.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.first == "message", words.count > 1 { message = String(words[1]) }
      guard line.contains("csi_secret) = true"), let equals = words.firstIndex(of: "="), equals > 0 else { continue }
      marked.insert("\(message).\(words[equals - 1])")
    }
    #expect(marked == SecretFields.marked)
  }

  /// All requests of the services that this driver serves, with what a caller would send.
  private static var requests: [(method: String, descriptor: UnsafePointer<ProtobufCMessageDescriptor>)] {
    [
      ("Controller/CreateVolume", descriptor(of: csi__v1__create_volume_request__init)),
      ("Controller/DeleteVolume", descriptor(of: csi__v1__delete_volume_request__init)),
      ("Controller/ControllerPublishVolume", descriptor(of: csi__v1__controller_publish_volume_request__init)),
      ("Controller/ControllerUnpublishVolume", descriptor(of: csi__v1__controller_unpublish_volume_request__init)),
      ("Controller/ValidateVolumeCapabilities", descriptor(of: csi__v1__validate_volume_capabilities_request__init)),
      ("Controller/ListVolumes", descriptor(of: csi__v1__list_volumes_request__init)),
      ("Controller/GetCapacity", descriptor(of: csi__v1__get_capacity_request__init)),
      ("Controller/ControllerExpandVolume", descriptor(of: csi__v1__controller_expand_volume_request__init)),
      ("Controller/ControllerGetVolume", descriptor(of: csi__v1__controller_get_volume_request__init)),
      ("Controller/ControllerModifyVolume", descriptor(of: csi__v1__controller_modify_volume_request__init)),
      ("Controller/CreateSnapshot", descriptor(of: csi__v1__create_snapshot_request__init)),
      ("Controller/DeleteSnapshot", descriptor(of: csi__v1__delete_snapshot_request__init)),
      ("Controller/ListSnapshots", descriptor(of: csi__v1__list_snapshots_request__init)),
    ]
  }

  @Test("a canary in every map and every mount flag of every request reaches neither the log nor an error")
  func canaries() async throws {
    let served = try ServedController()
    for keys in [["a-key"], ["path"], ["attrTimeout"], ["s3a.secretKey"], ["csi.storage.k8s.io/serviceAccount.tokens"]]
    {
      for (method, descriptor) in Self.requests {
        let (code, text) = await served.send(method, Self.message(descriptor, keys: keys))
        #expect(!text.contains(Self.canary) || code == .ok, "\(method)")
      }
    }
    await served.stop()
    #expect(served.logged.contains("CreateVolume"))
    #expect(!served.logged.contains(Self.canary))
  }

  @Test("the secrets of calls that succeed are not logged either")
  func canariesOfGoodCalls() async throws {
    let served = try ServedController()
    let request = MessageBuilder(csi__v1__create_volume_request__init)
    request.name = "pvc-1"
    request.setList(\.n_volume_capabilities, \.volume_capabilities, [()], csi__v1__volume_capability__init) { item, _ in
      item.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
      item.make(\.mount, csi__v1__volume_capability__mount_volume__init)
      item.make(\.access_mode, csi__v1__volume_capability__access_mode__init).mode =
        CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__SINGLE_NODE_WRITER
    }
    let tokens = "csi.storage.k8s.io/serviceAccount.tokens"
    request.setMap(
      \.n_parameters, \.parameters, ["path": "file://\(served.fixture.data)", tokens: Self.canary],
      csi__v1__create_volume_request__parameters_entry__init, \.key, \.value)
    request.setMap(
      \.n_secrets, \.secrets, ["s3a.secretKey": Self.canary], csi__v1__create_volume_request__secrets_entry__init,
      \.key,
      \.value)
    let reply = try await served.calls.call("Controller/CreateVolume", request)
    #expect(reply.withBytes { !String(decoding: $0, as: UTF8.self).contains(Self.canary) })
    await served.stop()
    #expect(!served.logged.contains(Self.canary))
    let record = try #require(try await served.fixture.registry.volume(id: "pvc-1"))
    #expect(!"\(record)".contains(Self.canary))
  }

  /// A message with every string set, a canary behind every key of its maps and in its mount flags.
  private static func message(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, keys: [String], depth: Int = 0
  ) -> [UInt8] {
    var bytes: [UInt8] = []
    func append(_ number: UInt32, _ content: [UInt8]) {
      bytes += varint(UInt64(number) << 3 | 2) + varint(UInt64(content.count)) + content
    }
    for index in 0..<Int(descriptor.pointee.n_fields) {
      let field = descriptor.pointee.fields[index]
      let name = String(cString: field.name)
      switch field.type {
      case PROTOBUF_C_TYPE_STRING: append(field.id, Array((name == "mount_flags" ? canary : "plain").utf8))
      case PROTOBUF_C_TYPE_MESSAGE where depth < 4 && name != "block":
        let nested = field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
        guard String(cString: nested.pointee.name).hasSuffix("Entry"), nested.pointee.n_fields == 2 else {
          append(field.id, message(nested, keys: keys, depth: depth + 1))
          continue
        }
        for key in keys { append(field.id, [0x0A] + sized(key) + [0x12] + sized(canary)) }
      case PROTOBUF_C_TYPE_ENUM: bytes += varint(UInt64(field.id) << 3) + [1]
      default: break
      }
    }
    return bytes
  }

  private static func sized(_ text: String) -> [UInt8] { varint(UInt64(text.utf8.count)) + Array(text.utf8) }

  private static func varint(_ value: UInt64) -> [UInt8] {
    var value = value
    var bytes: [UInt8] = []
    while value >= 0x80 {
      bytes.append(UInt8(value & 0x7F) | 0x80)
      value >>= 7
    }
    return bytes + [UInt8(value)]
  }
}
