package import CProtobufC

/// A parsed message, or one within it, for the time of `ParsedMessage.read`.
///
/// Fields are read by their names in C: `view.volume_id` is a `String`, `view.capacity_range` a view or nil, a number or
/// an enumeration itself. What needs more than one C field has a function: `list`, `strings`, `numbers`, `map`. The C
/// union of a oneof must be read only after its `…_case`.
///
/// Not copyable, so that it cannot leave the closure it was lent to.
@dynamicMemberLookup
package struct MessageView<Message>: ~Copyable {
  private let message: UnsafePointer<Message>

  init(_ message: UnsafePointer<Message>) { self.message = message }
  init(_ message: UnsafeMutablePointer<Message>) { self.message = UnsafePointer(message) }

  /// A number or an enumeration. Unknown values of an enumeration arrive as they are.
  package subscript<Value>(dynamicMember field: KeyPath<Message, Value>) -> Value {
    message.pointee[keyPath: field]
  }

  /// A string; empty when it was not sent.
  package subscript(dynamicMember field: KeyPath<Message, UnsafeMutablePointer<CChar>?>) -> String {
    string(message.pointee[keyPath: field])
  }

  /// A message within this one; nil when it was not sent.
  package subscript<Nested>(
    dynamicMember field: KeyPath<Message, UnsafeMutablePointer<Nested>?>
  ) -> MessageView<Nested>? {
    guard let nested = message.pointee[keyPath: field] else { return nil }
    return MessageView<Nested>(nested)
  }

  /// Bytes; empty when they were not sent.
  package subscript(dynamicMember field: KeyPath<Message, ProtobufCBinaryData>) -> [UInt8] {
    let data = message.pointee[keyPath: field]
    return Array(UnsafeBufferPointer(start: data.data, count: data.len))
  }

  /// A bool, which C has as an int.
  package func flag(_ field: KeyPath<Message, protobuf_c_boolean>) -> Bool { message.pointee[keyPath: field] != 0 }

  /// The messages of a repeated field, each turned into a value:
  /// `view.list(\.n_entries, \.entries) { Entry($0) }`.
  package func list<Nested, Value, Failure: Error>(
    _ count: KeyPath<Message, Int>,
    _ items: KeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<Nested>?>?>,
    _ transform: (borrowing MessageView<Nested>) throws(Failure) -> Value
  ) throws(Failure) -> [Value] {
    var values: [Value] = []
    guard let pointers = message.pointee[keyPath: items] else { return values }
    let number = message.pointee[keyPath: count]
    values.reserveCapacity(number)
    for index in 0..<number {
      if let item = pointers[index] { values.append(try transform(MessageView<Nested>(item))) }
    }
    return values
  }

  /// The strings of a repeated field.
  package func strings(
    _ count: KeyPath<Message, Int>,
    _ items: KeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
  ) -> [String] {
    guard let pointers = message.pointee[keyPath: items] else { return [] }
    return (0..<message.pointee[keyPath: count]).map { string(pointers[$0]) }
  }

  /// The numbers of a repeated field, packed or not.
  package func numbers<Number>(
    _ count: KeyPath<Message, Int>, _ items: KeyPath<Message, UnsafeMutablePointer<Number>?>
  ) -> [Number] {
    Array(UnsafeBufferPointer(start: message.pointee[keyPath: items], count: message.pointee[keyPath: count]))
  }

  /// A `map<string, string>`. As everywhere in protobuf the last of equal keys holds. Every map has an entry type of its
  /// own in C, named here by its fields: `view.map(\.n_parameters, \.parameters, \.key, \.value)`.
  package func map<Entry>(
    _ count: KeyPath<Message, Int>,
    _ entries: KeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>?>,
    _ key: KeyPath<Entry, UnsafeMutablePointer<CChar>?>,
    _ value: KeyPath<Entry, UnsafeMutablePointer<CChar>?>
  ) -> [String: String] {
    guard let pointers = message.pointee[keyPath: entries] else { return [:] }
    var values: [String: String] = [:]
    for index in 0..<message.pointee[keyPath: count] {
      guard let entry = pointers[index] else { continue }
      values[string(entry.pointee[keyPath: key])] = string(entry.pointee[keyPath: value])
    }
    return values
  }
}

extension MessageView {
  /// The message's bytes as protobuf-c packs them, unknown fields included.
  package func repacked() -> [UInt8] {
    let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    let size = protobuf_c_message_get_packed_size(base)
    // With a capacity of 0 the standard library writes the count into the empty array that all threads share.
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = protobuf_c_message_pack(base, buffer.baseAddress)
    }
  }
}

/// A C string of protobuf-c, which the validator has found to be UTF-8 without NUL.
private func string(_ pointer: UnsafeMutablePointer<CChar>?) -> String {
  pointer.map { String(cString: $0) } ?? ""
}
