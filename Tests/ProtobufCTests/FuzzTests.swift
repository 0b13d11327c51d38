import CSIProtocol
import ProtobufC
import TestSupport
import Testing

/// A message with one of everything, to be damaged.
private func sample() -> [UInt8] {
  let request = MessageBuilder(csi__v1__create_volume_request__init)
  request.name = "pvc-7f3ü"
  let range = request.make(\.capacity_range, csi__v1__capacity_range__init)
  (range.required_bytes, range.limit_bytes) = (1 << 40, -1)
  request.setMap(
    \.n_parameters, \.parameters, ["path": "s3://b/p", "onDelete": "retain"],
    csi__v1__create_volume_request__parameters_entry__init, \.key, \.value)
  request.setMap(
    \.n_secrets, \.secrets, ["k": "v\u{1F4BE}"], csi__v1__create_volume_request__secrets_entry__init, \.key, \.value)
  request.setList(\.n_volume_capabilities, \.volume_capabilities, 1...2, csi__v1__volume_capability__init) {
    capability, number in
    capability.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
    capability.make(\.mount, csi__v1__volume_capability__mount_volume__init)
      .setStrings(\.n_mount_flags, \.mount_flags, ["ro", "flag\(number)"])
    capability.make(\.access_mode, csi__v1__volume_capability__access_mode__init).mode =
      CSI__V1__VOLUME_CAPABILITY__ACCESS_MODE__MODE__MULTI_NODE_MULTI_WRITER
  }
  return request.packed()
}

/// Damages `bytes` in one to three places.
private func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
  var bytes = bytes
  let telling: [UInt8] = [0x00, 0x01, 0x0A, 0x12, 0x7F, 0x80, 0xC3, 0xFF]
  for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
    let place = Int.random(in: bytes.indices, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[place] = telling.randomElement(using: &random)!
    case 2: bytes.insert(telling.randomElement(using: &random)!, at: place)
    case 3: bytes.remove(at: place)
    case 4: bytes.removeLast(bytes.count - place)
    default:
      let end = min(bytes.count, place + Int.random(in: 1...12, using: &random))
      bytes.insert(contentsOf: bytes[place..<end], at: place)
    }
  }
  return bytes
}

@Suite("Damaged messages", .timeLimit(.minutes(3)))
struct FuzzTests {
  private let message = csi__v1__create_volume_request__init as MessageInitializer<Csi__V1__CreateVolumeRequest>

  /// The validator's verdict, and what protobuf-c packs again when it accepts.
  private func parse(_ bytes: [UInt8]) -> Result<[UInt8], WireError> {
    bytes.withUnsafeBytes { bytes in
      do throws(WireError) {
        return .success(try ParsedMessage(bytes, message).read { $0.repacked() })
      } catch {
        return .failure(error)
      }
    }
  }

  @Test("whatever passes the validator unpacks, and packs into the same message again")
  func selfConsistency() {
    let seed: UInt64 = 1_132
    var random = SeededGenerator(seed: seed)
    let whole = sample()
    var accepted = 0
    for round in 0..<20_000 {
      let bytes = mutate(whole, &random)
      switch parse(bytes) {
      case .success(let packed):
        accepted += 1
        let again = try? parse(packed).get()
        if again != packed { Issue.record("seed \(seed), round \(round): \(bytes) is not stable") }
      case .failure(let error):
        if error.problem == .unreadable {
          Issue.record("seed \(seed), round \(round): \(bytes) passed, but protobuf-c refused it")
        }
      }
    }
    #expect(accepted > 1000 && accepted < 19_000)
  }

  @Test("random bytes never crash it")
  func noise() {
    var random = SeededGenerator(seed: 99)
    for _ in 0..<20_000 { _ = parse(random.bytes(count: Int.random(in: 0...40, using: &random))) }
  }

  @Test("protobuf's own parser gives the same verdict and reads the same message", .requiresProgram("protoc"))
  func differential() throws {
    // Where we are stricter on purpose.
    func isStricter(_ problem: WireError.Problem) -> Bool {
      switch problem {
      case .nulInString, .wrongWireType, .group, .overlongVarint, .repeatedMessage: true
      default: false
      }
    }
    // Compiled once: protoc runs for every message.
    let folder = try TemporaryDirectory("descriptors")
    let descriptors = folder.appending("set.bin")
    let protos = "\(BuildFolder.sources())/Protos"
    let compiled = try Program.run(
      "protoc", ["-I", protos, "--include_imports", "--descriptor_set_out=\(descriptors)", "\(protos)/csi.proto"])
    try #require(compiled.succeeded, "\(compiled.text)")
    let seed: UInt64 = 2_113
    var random = SeededGenerator(seed: seed)
    let whole = sample()
    var left = (accepted: 60, refused: 80)
    while left.accepted > 0 || left.refused > 0 {
      let bytes = mutate(whole, &random)
      switch parse(bytes) {
      case .success(let packed):
        guard left.accepted > 0 else { continue }
        left.accepted -= 1
        let (original, ours) = (try decode(bytes, descriptors), try decode(packed, descriptors))
        #expect(original != nil, "seed \(seed): accepted here, refused by protoc: \(bytes)")
        #expect(original == ours, "seed \(seed): read differently: \(bytes)")
      case .failure(let error):
        guard left.refused > 0, !isStricter(error.problem) else { continue }
        left.refused -= 1
        #expect(try decode(bytes, descriptors) == nil, "seed \(seed): \(error), accepted by protoc: \(bytes)")
      }
    }
  }

  /// The message as protoc prints it, or nil when it refuses the bytes.
  private func decode(_ bytes: [UInt8], _ descriptors: String) throws -> String? {
    let run = try Program.run(
      "protoc", ["--descriptor_set_in=\(descriptors)", "--decode=csi.v1.CreateVolumeRequest", "csi.proto"],
      input: bytes)
    return run.succeeded ? run.text : nil
  }
}
