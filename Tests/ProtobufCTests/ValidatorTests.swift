import CSIProtocol
import ProtobufC
import Testing

@Suite("The validator of wire bytes")
struct ValidatorTests {
  /// Parses and gives the error, or nil when the bytes are a message.
  private func verdict<Message>(_ bytes: [UInt8], _ initialize: MessageInitializer<Message>) -> WireError? {
    bytes.withUnsafeBytes { bytes in
      do throws(WireError) {
        try ParsedMessage(bytes, initialize).read { _ in }
        return nil
      } catch {
        return error
      }
    }
  }

  private func createVolume(_ bytes: [UInt8]) -> WireError? { verdict(bytes, csi__v1__create_volume_request__init) }

  @Test("no bytes at all are the message with all defaults")
  func empty() { #expect(createVolume([]) == nil) }

  @Test(
    "text of every kind is accepted",
    arguments: ["", "a", "volume-1", "\u{7F}", "\u{1}", "ü", "한국", "\u{1F4BE}", "\u{FFFF}", "\u{10FFFF}"])
  func text(text: String) { #expect(createVolume(Wire.string(1, text)) == nil) }

  @Test("a NUL byte anywhere in a string is refused", arguments: ["\u{0}", "a\u{0}b", "a\u{0}", "\u{0}a", "ü\u{0}"])
  func nul(text: String) {
    #expect(
      createVolume(Wire.string(1, text))
        == WireError(message: "csi.v1.CreateVolumeRequest", field: "name", problem: .nulInString))
  }

  @Test(
    "what is not UTF-8 is refused: stray and missing continuations, overlong forms, surrogates, too large",
    arguments: [
      [0x80], [0xBF, 0x41], [0xC3], [0xC3, 0x28], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
      [0xED, 0xBF, 0xBF], [0xE2, 0x82], [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
      [0xFF], [0xFE], [0x61, 0xF0, 0x9F, 0x92],
    ] as [[UInt8]])
  func invalidUTF8(text: [UInt8]) {
    #expect(createVolume(Wire.contents(1, text))?.problem == .invalidUTF8)
  }

  @Test("keys and values of maps, lists and nested messages are looked at, and named from the outside in")
  func paths() {
    let key = Wire.contents(4, Wire.string(1, "a\u{0}") + Wire.string(2, "b"))
    #expect(createVolume(key)?.field == "parameters.key")
    let value = Wire.contents(5, Wire.string(1, "a") + Wire.contents(2, [0xFF]))
    #expect(createVolume(value)?.field == "secrets.value")
    let flag = Wire.contents(3, Wire.contents(2, Wire.string(2, "ro") + Wire.contents(2, [0xFF])))
    #expect(createVolume(flag)?.field == "volume_capabilities.mount.mount_flags")
    #expect(createVolume(flag)?.problem == .invalidUTF8)
  }

  @Test("an error names the field and what is wrong, and never shows what it holds")
  func sentence() {
    let secret = Wire.contents(5, Wire.string(1, "s3a.secretKey") + Wire.string(2, "hunter2\u{0}"))
    #expect("\(createVolume(secret)!)" == "field secrets.value of csi.v1.CreateVolumeRequest holds a NUL byte")
    #expect("\(createVolume([0])!)" == "csi.v1.CreateVolumeRequest holds a field number outside 1...536870911")
  }

  @Test("bytes fields may hold anything")
  func bytesField() throws {
    let bytes = Wire.contents(1, [0, 0xFF, 0x80])
    try bytes.withUnsafeBytes { bytes in
      try ParsedMessage(bytes, google__protobuf__bytes_value__init).read { view in
        #expect(view.value == [0, 0xFF, 0x80])
      }
    }
  }

  @Test("a message that ends within a field is refused, wherever it ends")
  func truncated() {
    let whole = Wire.string(1, "abc") + Wire.contents(2, Wire.number(1, 1 << 40))
    for length in 0...whole.count where length != 0 && length != 5 && length != whole.count {
      #expect(createVolume(Array(whole.prefix(length)))?.problem == .truncated, "\(length) bytes")
    }
    #expect(createVolume(whole) == nil)
    // A nested length past the end of its own message, though not of the whole.
    let nested = Wire.contents(2, [0x12, 0x05, 0x61]) + Wire.string(1, "more than enough")
    #expect(createVolume(nested)?.problem == .truncated)
    #expect(verdict(Wire.tag(1, 1) + [1, 2, 3], google__protobuf__double_value__init)?.problem == .truncated)
    #expect(verdict(Wire.tag(1, 5) + [1, 2, 3], google__protobuf__float_value__init)?.problem == .truncated)
  }

  @Test("lengths over 31 bits, tags over 32 bits and varints over 64 bits are refused")
  func overlong() {
    let continued = [UInt8](repeating: 0x80, count: 12)
    #expect(createVolume(Wire.tag(1, 2) + Wire.varint(1 << 31))?.problem == .overlongVarint)
    #expect(createVolume(Wire.tag(1, 2) + continued + [0])?.problem == .overlongVarint)
    #expect(createVolume(Wire.varint(1 << 32))?.problem == .overlongVarint)
    #expect(createVolume(continued + [0])?.problem == .overlongVarint)
    let list = csi__v1__list_volumes_request__init
    #expect(verdict(Wire.tag(1, 0) + continued + [0], list)?.problem == .overlongVarint)
    let beyond64 = [UInt8](repeating: 0xFF, count: 9) + [0x02]
    #expect(verdict(Wire.tag(1, 0) + beyond64, list)?.problem == .overlongVarint)
    #expect(verdict(Wire.number(1, .max), list) == nil)
  }

  @Test("a varint that is longer than it need be is legal")
  func paddedVarint() {
    #expect(createVolume([0x8A, 0x00, 0x83, 0x00] + Array("abc".utf8)) == nil)
  }

  @Test("field number 0, groups and wire types that do not exist are refused")
  func badTags() {
    #expect(createVolume(Wire.tag(0, 0) + [1])?.problem == .badFieldNumber)
    #expect(createVolume(Wire.tag(1, 3))?.problem == .group)
    #expect(createVolume(Wire.tag(99, 3) + Wire.tag(99, 4))?.problem == .group)
    #expect(createVolume(Wire.tag(1, 6))?.problem == .unknownWireType(6))
    #expect(createVolume(Wire.tag(1, 7))?.problem == .unknownWireType(7))
  }

  @Test("a known field with another wire type is refused by name", arguments: [0, 1, 5] as [UInt8])
  func wrongWireType(type: UInt8) {
    let bytes = Wire.tag(1, UInt64(type)) + [UInt8](repeating: 0, count: type == 0 ? 1 : type == 1 ? 8 : 4)
    #expect(
      createVolume(bytes)
        == WireError(message: "csi.v1.CreateVolumeRequest", field: "name", problem: .wrongWireType(type)))
    #expect(verdict(Wire.string(1, "x"), csi__v1__list_volumes_request__init)?.problem == .wrongWireType(2))
  }

  @Test("fields of a later version are skipped, whatever they hold")
  func unknownFields() {
    let bytes =
      Wire.number(1000, 5) + Wire.contents(1001, [0, 0xFF]) + Wire.tag(1002, 1) + [UInt8](repeating: 9, count: 8)
      + Wire.tag(1003, 5) + [1, 2, 3, 4] + Wire.string(1, "name")
    #expect(createVolume(bytes) == nil)
    #expect(createVolume(Wire.contents(9, [1])) == nil)  // between and after known numbers
    #expect(createVolume(Wire.tag(1001, 2) + [5, 1])?.problem == .truncated)
  }

  @Test("repeated numbers are read packed and one by one; a broken packed list is refused")
  func packed() throws {
    let file = google__protobuf__file_descriptor_proto__init
    let mixed = Wire.number(10, 7) + Wire.contents(10, Wire.varint(8) + Wire.varint(300))
    try mixed.withUnsafeBytes { bytes in
      try ParsedMessage(bytes, file).read { view in
        #expect(view.numbers(\.n_public_dependency, \.public_dependency) == [7, 8, 300])
      }
    }
    #expect(verdict(Wire.contents(10, [0x80]), file)?.problem == .truncated)
    #expect(verdict(Wire.contents(10, [UInt8](repeating: 0x80, count: 11)), file)?.problem == .overlongVarint)
  }

  @Test("messages within messages are followed to the limit and no further")
  func depth() {
    func nested(_ levels: Int) -> [UInt8] {
      (0..<levels).reduce([]) { bytes, _ in Wire.contents(3, bytes) }  // DescriptorProto.nested_type
    }
    let message = google__protobuf__descriptor_proto__init
    #expect(verdict(nested(WireValidator.maximumDepth - 1), message) == nil)
    #expect(verdict(nested(WireValidator.maximumDepth), message)?.problem == .tooDeep)
    #expect(verdict(nested(5000), message)?.problem == .tooDeep)
  }

  @Test("a message that may come once is refused when it comes twice: protobuf-c would merge the two wrongly")
  func repeatedMessage() {
    let range = Wire.contents(2, Wire.number(1, 5)) + Wire.contents(2, Wire.number(2, 6))
    #expect(
      createVolume(range)
        == WireError(message: "csi.v1.CreateVolumeRequest", field: "capacity_range", problem: .repeatedMessage))
    #expect("\(createVolume(range)!)" == "field capacity_range of csi.v1.CreateVolumeRequest came twice")
  }

  @Test("what comes twice: the last string holds, and the last of a oneof and of a map's key")
  func repeats() throws {
    let bytes =
      Wire.string(1, "first") + Wire.string(1, "second")
      + Wire.contents(4, Wire.string(1, "k") + Wire.string(2, "old"))
      + Wire.contents(4, Wire.string(1, "k") + Wire.string(2, "new")) + Wire.contents(4, [])
      + Wire.contents(3, Wire.contents(1, []) + Wire.contents(2, Wire.string(1, "fuse")))
    try bytes.withUnsafeBytes { bytes in
      try ParsedMessage(bytes, csi__v1__create_volume_request__init).read { view in
        #expect(view.name == "second")
        #expect(view.map(\.n_parameters, \.parameters, \.key, \.value) == ["k": "new", "": ""])
        let types: [String] = view.list(\.n_volume_capabilities, \.volume_capabilities) { $0.mount?.fs_type ?? "" }
        #expect(types == ["fuse"])
      }
    }
  }

  @Test("an enumeration's unknown value arrives as it is")
  func unknownEnum() throws {
    try Wire.number(1, 99).withUnsafeBytes { bytes in
      try ParsedMessage(bytes, csi__v1__volume_capability__access_mode__init).read { view in
        #expect(view.mode.rawValue == 99)
      }
    }
  }
}
