import CProtobufC
import CSIProtocol

/// What the generated C says of itself, as rows of the facts table. C knows neither options nor streams nor the names of
/// oneofs: the rows have `oneof` for any of them, and no flags.
struct GeneratedDescriptors {
  private(set) var rows: Set<FactsTable.Row> = []
  private var seen: Set<String> = []

  init(_ services: [UnsafePointer<ProtobufCServiceDescriptor>]) {
    for service in services {
      let name = Self.short(service.pointee.name)
      for index in 0..<Int(service.pointee.n_methods) {
        let method = service.pointee.methods[index]
        rows.insert(
          .init(
            kind: "rpc", owner: name, name: String(cString: method.name), type: Self.short(method.input.pointee.name),
            oneof: Self.short(method.output.pointee.name)))
        read(method.input)
        read(method.output)
      }
    }
  }

  private mutating func read(_ message: UnsafePointer<ProtobufCMessageDescriptor>) {
    let name = Self.short(message.pointee.name)
    guard !name.hasPrefix("google."), seen.insert(name).inserted else { return }
    if message.pointee.n_fields == 0 { rows.insert(.init(kind: "message", owner: name)) }
    for index in 0..<Int(message.pointee.n_fields) { read(message.pointee.fields[index], of: name) }
  }

  private mutating func read(_ field: ProtobufCFieldDescriptor, of owner: String) {
    var row = FactsTable.Row(kind: "field", owner: owner, number: "\(field.id)", name: String(cString: field.name))
    row.label = field.label == PROTOBUF_C_LABEL_REPEATED ? "repeated" : ""
    row.oneof = field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0 ? "oneof" : ""
    switch field.type {
    case PROTOBUF_C_TYPE_STRING: row.type = "string"
    case PROTOBUF_C_TYPE_BOOL: row.type = "bool"
    case PROTOBUF_C_TYPE_INT32: row.type = "int32"
    case PROTOBUF_C_TYPE_INT64: row.type = "int64"
    case PROTOBUF_C_TYPE_ENUM:
      let enumeration = field.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self)
      row.type = Self.short(enumeration.pointee.name)
      read(enumeration, named: row.type)
    case PROTOBUF_C_TYPE_MESSAGE:
      let message = field.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
      row.type = Self.short(message.pointee.name)
      // The entries of a map are messages of its own making.
      if row.type.hasPrefix("\(owner)."), row.type.hasSuffix("Entry"), message.pointee.n_fields == 2 {
        let types = (0..<2).map { message.pointee.fields[$0].type }
        let isKeyed = String(cString: message.pointee.fields[0].name) == "key"
        if isKeyed, types.allSatisfy({ $0 == PROTOBUF_C_TYPE_STRING }) {
          (row.type, row.label) = ("map<string,string>", "")
          break
        }
      }
      read(message)
    default: row.type = "type \(field.type.rawValue)"
    }
    rows.insert(row)
  }

  private mutating func read(_ enumeration: UnsafePointer<ProtobufCEnumDescriptor>, named name: String) {
    for index in 0..<Int(enumeration.pointee.n_values) {
      let value = enumeration.pointee.values[index]
      rows.insert(.init(kind: "enum", owner: name, number: "\(value.value)", name: String(cString: value.name)))
    }
  }

  private static func short(_ name: UnsafePointer<CChar>) -> String {
    let name = String(cString: name)
    return name.hasPrefix("csi.v1.") ? String(name.dropFirst("csi.v1.".count)) : name
  }
}
