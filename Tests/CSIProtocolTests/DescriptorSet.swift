import CProtobufC
import CSIProtocol
import ProtobufC

/// What protoc makes of `csi.proto`, as rows of the facts table. Read with the generated C of `descriptor.proto`; the
/// extensions of CSI are unknown fields there.
struct DescriptorSet {
  private(set) var rows: Set<FactsTable.Row> = []
  /// Extensions by what they extend: `FieldOptions csi_secret 1059`.
  private(set) var extensions: Set<String> = []

  private typealias Row = FactsTable.Row

  /// - Parameter bytes: a `FileDescriptorSet` that holds `csi.proto`.
  init(_ bytes: [UInt8]) throws {
    var copy = self
    try bytes.withUnsafeBytes { bytes in
      try ParsedMessage(bytes, google__protobuf__file_descriptor_set__init).read { set in
        _ = set.list(\.n_file, \.file) { file in
          if file.package == "csi.v1" { copy.read(file) }
        }
      }
    }
    self = copy
  }

  private mutating func read(_ file: borrowing MessageView<Google__Protobuf__FileDescriptorProto>) {
    var found: (rows: [Row], extensions: [String]) = ([], [])
    _ = file.list(\.n_service, \.service) { service in
      found.rows += service.list(\.n_method, \.method) { method in Self.row(method, of: service.name) }
    }
    _ = file.list(\.n_message_type, \.message_type) { found.rows += Self.rows($0, in: "") }
    _ = file.list(\.n_enum_type, \.enum_type) { found.rows += Self.rows($0, in: "") }
    found.extensions = file.list(\.n_extension, \.extension) { field in
      "\(field.extendee.split(separator: ".").last ?? "") \(field.name) \(field.number)"
    }
    rows.formUnion(found.rows)
    extensions.formUnion(found.extensions)
  }

  private static func row(
    _ method: borrowing MessageView<Google__Protobuf__MethodDescriptorProto>, of service: String
  ) -> Row {
    Row(
      kind: "rpc", owner: service, name: method.name, type: short(method.input_type),
      label: method.flag(\.server_streaming) ? "stream" : "", oneof: short(method.output_type),
      flags: isSet(1060, method.options?.base) ? "alpha" : "")
  }

  private static func rows(
    _ message: borrowing MessageView<Google__Protobuf__DescriptorProto>, in parent: String
  ) -> [Row] {
    let name = parent + message.name
    let isAlpha = isSet(1060, message.options?.base)
    let oneofs = message.list(\.n_oneof_decl, \.oneof_decl) { $0.name }
    let maps = message.list(\.n_nested_type, \.nested_type) { nested in
      nested.options?.flag(\.map_entry) == true ? "\(name).\(nested.name)" : nil
    }
    var rows = message.list(\.n_field, \.field) { field in
      var row = row(field, of: name, maps: Set(maps.compactMap { $0 }), oneofs: oneofs)
      if isAlpha { row.flags = (row.flags.split(separator: ",") + ["alpha-message"]).sorted().joined(separator: ",") }
      return row
    }
    if rows.isEmpty { rows.append(Row(kind: "message", owner: name)) }
    _ = message.list(\.n_nested_type, \.nested_type) { nested in
      if nested.options?.flag(\.map_entry) != true { rows += Self.rows(nested, in: "\(name).") }
    }
    _ = message.list(\.n_enum_type, \.enum_type) { rows += Self.rows($0, in: "\(name).") }
    // A message that only holds others has no line of its own.
    return rows.count > 1 ? rows.filter { $0.kind != "message" || $0.owner != name } : rows
  }

  private static func row(
    _ field: borrowing MessageView<Google__Protobuf__FieldDescriptorProto>, of owner: String, maps: Set<String>,
    oneofs: [String]
  ) -> Row {
    let type = typeName(field)
    let isMap = maps.contains(type)
    let isRepeated = field.label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED
    var flags: [String] = []
    if isSet(1060, field.options?.base) { flags.append("alpha") }
    if isSet(1059, field.options?.base) { flags.append("secret") }
    return Row(
      kind: "field", owner: owner, number: "\(field.number)", name: field.name,
      type: isMap ? "map<string,string>" : type, label: isRepeated && !isMap ? "repeated" : "",
      oneof: field.flag(\.has_oneof_index) ? oneofs[Int(field.oneof_index)] : "", flags: flags.joined(separator: ","))
  }

  private static func rows(
    _ enumeration: borrowing MessageView<Google__Protobuf__EnumDescriptorProto>, in parent: String
  ) -> [Row] {
    let name = parent + enumeration.name
    return enumeration.list(\.n_value, \.value) { value in
      Row(
        kind: "enum", owner: name, number: "\(value.number)", name: value.name,
        flags: isSet(1060, value.options?.base) ? "alpha" : "")
    }
  }

  private static func typeName(_ field: borrowing MessageView<Google__Protobuf__FieldDescriptorProto>) -> String {
    switch field.type {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING: "string"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL: "bool"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32: "int32"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64: "int64"
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE,
      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM:
      short(field.type_name)
    default: "type \(field.type.rawValue)"
    }
  }

  /// `.csi.v1.Volume` is `Volume` in the table, `.google.protobuf.BoolValue` keeps its package.
  private static func short(_ name: String) -> String {
    name.hasPrefix(".csi.v1.") ? String(name.dropFirst(".csi.v1.".count)) : String(name.dropFirst())
  }

  /// Whether the bool extension with this number is true in an options message.
  private static func isSet(_ number: UInt32, _ options: ProtobufCMessage?) -> Bool {
    guard let options else { return false }
    return (0..<Int(options.n_unknown_fields)).contains { index in
      let field = options.unknown_fields[index]
      return field.tag == number && field.len == 1 && field.data[0] == 1
    }
  }
}
