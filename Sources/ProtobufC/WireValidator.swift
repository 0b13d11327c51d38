package import CProtobufC

/// Walks the bytes of a message along its descriptor before protobuf-c unpacks them.
///
/// protobuf-c keeps strings as C strings: `"a\0b"` becomes `"a"`, and two volume names collide; invalid UTF-8 passes. Once
/// it has parsed, the length is lost, so the check must come first. The walk also refuses whatever protobuf-c would
/// refuse, with a sentence instead of a null pointer, and what it would misread.
///
/// Costs one pass over the bytes and allocates nothing unless something is wrong or a string is not ASCII.
package enum WireValidator {
  /// Messages within messages that are followed. CSI's deepest message has 6 levels; recursive schemas would have no end.
  package static let maximumDepth = 32

  /// Checks `bytes` as a message described by `descriptor`.
  package static func validate(
    _ bytes: UnsafeRawBufferPointer, as descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(WireError) {
    do {
      try walk(bytes, descriptor, depth: 1)
    } catch {
      throw WireError(
        message: String(cString: descriptor.pointee.name), field: error.path.reversed().joined(separator: "."),
        problem: error.problem)
    }
  }

  private static func walk(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
  ) throws(Finding) {
    if depth > maximumDepth { throw Finding(.tooDeep) }
    var cursor = WireCursor(bytes)
    var seen: UInt64 = 0
    while !cursor.isAtEnd {
      let (number, wireType) = try cursor.readTag()
      guard let field = descriptor.field(numbered: number) else {
        _ = try cursor.readValue(wireType)  // of a newer version: skipped, as protobuf-c does
        continue
      }
      do throws(Finding) {
        let value = try cursor.readValue(wireType)
        try check(value, wireType, field, depth: depth)
        if field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, field.pointee.label != PROTOBUF_C_LABEL_REPEATED {
          // By position in the table; no message of ours has more than 64 fields.
          let bit: UInt64 = 1 << UInt64(field - descriptor.pointee.fields)
          if seen & bit != 0 { throw Finding(.repeatedMessage) }
          seen |= bit
        }
      } catch {
        throw error.within(field.pointee.name)
      }
    }
  }

  /// Checks one value of a known field.
  private static func check(
    _ value: UnsafeRawBufferPointer, _ wireType: WireType, _ field: UnsafePointer<ProtobufCFieldDescriptor>, depth: Int
  ) throws(Finding) {
    let expected = WireType(of: field.pointee.type)
    if wireType != expected {
      // Numbers of a repeated field may come one by one or packed, whatever the schema says.
      guard wireType == .lengthPrefixed, field.pointee.label == PROTOBUF_C_LABEL_REPEATED else {
        throw Finding(.wrongWireType(wireType.rawValue))
      }
      return try checkPacked(value, of: expected)
    }
    switch field.pointee.type {
    case PROTOBUF_C_TYPE_STRING: try checkString(value)
    case PROTOBUF_C_TYPE_MESSAGE:
      let nested = field.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
      try walk(value, nested, depth: depth + 1)
    default: break
    }
  }

  private static func checkPacked(_ value: UnsafeRawBufferPointer, of type: WireType) throws(Finding) {
    switch type {
    case .fixed32: if !value.count.isMultiple(of: 4) { throw Finding(.brokenPackedField) }
    case .fixed64: if !value.count.isMultiple(of: 8) { throw Finding(.brokenPackedField) }
    default:
      var cursor = WireCursor(value)
      while !cursor.isAtEnd { _ = try cursor.readVarint() }
    }
  }

  private static func checkString(_ value: UnsafeRawBufferPointer) throws(Finding) {
    var bits: UInt8 = 0
    for byte in value {
      if byte == 0 { throw Finding(.nulInString) }
      bits |= byte
    }
    if bits >= 0x80, String(validating: value, as: UTF8.self) == nil { throw Finding(.invalidUTF8) }
  }
}

/// A problem on its way out of the walk, which adds the name of each field that it leaves.
struct Finding: Error {
  let problem: WireError.Problem
  /// Innermost first.
  var path: [String] = []

  init(_ problem: WireError.Problem) { self.problem = problem }

  func within(_ name: UnsafePointer<CChar>?) -> Finding {
    var copy = self
    if let name { copy.path.append(String(cString: name)) }
    return copy
  }
}

extension UnsafePointer<ProtobufCMessageDescriptor> {
  /// The field with this number, found through the descriptor's ranges of consecutive numbers.
  func field(numbered number: UInt32) -> UnsafePointer<ProtobufCFieldDescriptor>? {
    guard let ranges = pointee.field_ranges, let fields = pointee.fields else { return nil }
    for index in 0..<Int(pointee.n_field_ranges) {
      let range = ranges[index]
      guard Int(number) >= Int(range.start_value) else { return nil }  // ranges ascend
      let position = Int(number) - Int(range.start_value)
      if position < Int(ranges[index + 1].orig_index) - Int(range.orig_index) {
        return fields + Int(range.orig_index) + position
      }
    }
    return nil
  }
}
