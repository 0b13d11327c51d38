/// Why bytes are not an acceptable message. Says which field and what is wrong with it, never what it holds: the field
/// may be a secret.
package struct WireError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What was found.
  package enum Problem: Equatable, Sendable {
    /// A string, or a map's key or value, with a NUL byte. protobuf-c would cut it there.
    case nulInString
    /// A string, or a map's key or value, that is not UTF-8.
    case invalidUTF8
    /// The field came with another wire type than its declared type has.
    case wrongWireType(UInt8)
    /// A group (wire types 3 and 4): no proto3 message has one.
    case group
    /// A wire type that does not exist (6 and 7).
    case unknownWireType(UInt8)
    /// Field number 0, or one over 2^29 - 1.
    case badFieldNumber
    /// A varint over 64 bits, a tag over 32 bits, or a length over 31 bits.
    case overlongVarint
    /// The bytes end within a field, or a length reaches past the end of its message.
    case truncated
    /// A packed field whose length is no multiple of its elements' size.
    case brokenPackedField
    /// A message that may come once came again. protobuf-c merges the two wrongly: defaults of the second win.
    case repeatedMessage
    /// Messages within messages beyond `WireValidator.maximumDepth`.
    case tooDeep
    /// The validator found nothing, yet protobuf-c refused: memory is short, or a required field of proto2 is missing.
    case unreadable
  }

  /// Full name of the outermost message: `csi.v1.CreateVolumeRequest`.
  package let message: String
  /// Names from the outermost message down to the field, as in `volume_capabilities.mount.fs_type`; empty when what is
  /// wrong lies between fields.
  package let field: String
  /// What is wrong.
  package let problem: Problem

  package init(message: String, field: String, problem: Problem) {
    self.message = message
    self.field = field
    self.problem = problem
  }

  package var description: String {
    let place = field.isEmpty ? message : "field \(field) of \(message)"
    return "\(place) \(problem.sentence)"
  }
}

extension WireError.Problem {
  /// What is wrong, as the rest of a sentence that starts with the field.
  var sentence: String {
    switch self {
    case .nulInString: "holds a NUL byte"
    case .invalidUTF8: "is not valid UTF-8"
    case .wrongWireType(let type): "came with wire type \(type), which its declared type does not have"
    case .group: "holds a group, which proto3 does not have"
    case .unknownWireType(let type): "holds wire type \(type), which does not exist"
    case .badFieldNumber: "holds a field number outside 1...536870911"
    case .overlongVarint: "holds a varint that is too long"
    case .truncated: "ends too early"
    case .brokenPackedField: "has a length that is no multiple of its elements' size"
    case .repeatedMessage: "came twice"
    case .tooDeep: "is nested too deeply"
    case .unreadable: "cannot be unpacked"
    }
  }
}
