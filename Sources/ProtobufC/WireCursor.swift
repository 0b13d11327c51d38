import CProtobufC

/// How a value is laid out on the wire. Groups (3 and 4) are refused where a tag is read.
enum WireType: UInt8 {
  case varint = 0
  case fixed64 = 1
  case lengthPrefixed = 2
  case fixed32 = 5

  /// The wire type of a single value of a declared type.
  init(of type: ProtobufCType) {
    switch type {
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: self = .lengthPrefixed
    case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT: self = .fixed32
    case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE: self = .fixed64
    default: self = .varint
    }
  }
}

/// Reads tags and values one after the other and never past the end of its bytes.
struct WireCursor {
  private var rest: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  var isAtEnd: Bool { rest.isEmpty }

  /// A tag: at most 5 bytes and 32 bits, of which the lower 3 are the wire type.
  mutating func readTag() throws(Finding) -> (number: UInt32, type: WireType) {
    let tag = try readVarint(maximumBytes: 5)
    guard tag <= UInt64(UInt32.max) else { throw Finding(.overlongVarint) }
    let type = UInt8(tag & 7)
    if type == 3 || type == 4 { throw Finding(.group) }
    guard let wireType = WireType(rawValue: type) else { throw Finding(.unknownWireType(type)) }
    let number = UInt32(tag >> 3)
    if number == 0 { throw Finding(.badFieldNumber) }
    return (number, wireType)
  }

  /// Moves past one value. Gives the contents of a length-prefixed one, nothing for the others.
  mutating func readValue(_ type: WireType) throws(Finding) -> UnsafeRawBufferPointer {
    switch type {
    case .varint: _ = try readVarint()
    case .fixed64: _ = try take(8)
    case .fixed32: _ = try take(4)
    case .lengthPrefixed:
      let length = try readVarint(maximumBytes: 5)
      guard length <= UInt64(Int32.max) else { throw Finding(.overlongVarint) }
      return try take(Int(length))
    }
    return UnsafeRawBufferPointer(start: nil, count: 0)
  }

  /// A varint of at most 64 bits.
  mutating func readVarint(maximumBytes: Int = 10) throws(Finding) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<maximumBytes {
      guard index < rest.count else { throw Finding(.truncated) }
      let byte = rest[index]
      if index == 9, byte > 1 { throw Finding(.overlongVarint) }  // beyond the 64th bit
      value |= UInt64(byte & 0x7F) << (7 * UInt64(index))
      if byte < 0x80 {
        rest = UnsafeRawBufferPointer(rebasing: rest[(index + 1)...])
        return value
      }
    }
    throw Finding(.overlongVarint)
  }

  private mutating func take(_ count: Int) throws(Finding) -> UnsafeRawBufferPointer {
    guard count <= rest.count else { throw Finding(.truncated) }
    let taken = UnsafeRawBufferPointer(rebasing: rest[..<count])
    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    return taken
  }
}
