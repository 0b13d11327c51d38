package import CProtobufC

/// A message under construction, and the memory of its whole tree.
///
///     let response = MessageBuilder(csi__v1__create_volume_response__init)
///     let volume = response.make(\.volume, csi__v1__volume__init)
///     volume.volume_id = id
///     volume.capacity_bytes = 1 << 30
///     volume.setMap(\.n_volume_context, \.volume_context, context,
///       csi__v1__volume__volume_context_entry__init, \.key, \.value)
///
/// Fields are set by their names in C; strings are copied. The C union of a oneof needs its `…_case` set as well. For one
/// thread at a time.
@dynamicMemberLookup
package struct MessageBuilder<Message> {
  let message: UnsafeMutablePointer<Message>
  let arena: MessageArena

  /// The outermost message.
  package init(_ initialize: MessageInitializer<Message>) { self.init(in: MessageArena(), initialize) }

  private init(in arena: MessageArena, _ initialize: MessageInitializer<Message>) {
    self.arena = arena
    message = arena.allocate(Message.self, count: 1)
    initialize(message)
  }

  /// A number or an enumeration.
  package subscript<Value>(dynamicMember field: WritableKeyPath<Message, Value>) -> Value {
    get { withExtendedLifetime(arena) { message.pointee[keyPath: field] } }
    nonmutating set { write { $0[keyPath: field] = newValue } }
  }

  /// A string. It must hold no NUL, at which the other side would see it end.
  package subscript(dynamicMember field: WritableKeyPath<Message, UnsafeMutablePointer<CChar>?>) -> String {
    get { withExtendedLifetime(arena) { message.pointee[keyPath: field].map { String(cString: $0) } ?? "" } }
    nonmutating set { write { $0[keyPath: field] = arena.string(newValue) } }
  }

  /// Bytes.
  package subscript(dynamicMember field: WritableKeyPath<Message, ProtobufCBinaryData>) -> [UInt8] {
    get {
      withExtendedLifetime(arena) {
        let data = message.pointee[keyPath: field]
        return Array(UnsafeBufferPointer(start: data.data, count: data.len))
      }
    }
    nonmutating set {
      write { $0[keyPath: field] = ProtobufCBinaryData(len: newValue.count, data: arena.array(newValue)) }
    }
  }

  /// Sets a bool, which C has as an int.
  package func setFlag(_ field: WritableKeyPath<Message, protobuf_c_boolean>, _ value: Bool) {
    write { $0[keyPath: field] = value ? 1 : 0 }
  }

  /// Makes the message within a field, and gives its builder.
  @discardableResult
  package func make<Nested>(
    _ field: WritableKeyPath<Message, UnsafeMutablePointer<Nested>?>, _ initialize: MessageInitializer<Nested>
  ) -> MessageBuilder<Nested> {
    let nested = MessageBuilder<Nested>(in: arena, initialize)
    write { $0[keyPath: field] = nested.message }
    return nested
  }

  /// Fills a repeated field with one message per value; `fill` sets each one's fields.
  package func setList<Nested, Values: Collection>(
    _ count: WritableKeyPath<Message, Int>,
    _ items: WritableKeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<Nested>?>?>,
    _ values: Values, _ initialize: MessageInitializer<Nested>,
    _ fill: (MessageBuilder<Nested>, Values.Element) -> Void
  ) {
    let pointers = values.map { value -> UnsafeMutablePointer<Nested>? in
      let nested = MessageBuilder<Nested>(in: arena, initialize)
      fill(nested, value)
      return nested.message
    }
    write {
      $0[keyPath: items] = arena.array(pointers)
      $0[keyPath: count] = pointers.count
    }
  }

  /// Fills a repeated field of strings.
  package func setStrings(
    _ count: WritableKeyPath<Message, Int>,
    _ items: WritableKeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>, _ values: [String]
  ) {
    write {
      $0[keyPath: items] = arena.array(values.map { Optional(arena.string($0)) })
      $0[keyPath: count] = values.count
    }
  }

  /// Fills a repeated field of numbers.
  package func setNumbers<Number: BinaryInteger>(
    _ count: WritableKeyPath<Message, Int>, _ items: WritableKeyPath<Message, UnsafeMutablePointer<Number>?>,
    _ values: [Number]
  ) {
    write {
      $0[keyPath: items] = arena.array(values)
      $0[keyPath: count] = values.count
    }
  }

  /// Fills a `map<string, string>`, in the order of its keys so that equal messages have equal bytes.
  package func setMap<Entry>(
    _ count: WritableKeyPath<Message, Int>,
    _ entries: WritableKeyPath<Message, UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>?>,
    _ values: [String: String], _ initialize: MessageInitializer<Entry>,
    _ key: WritableKeyPath<Entry, UnsafeMutablePointer<CChar>?>,
    _ value: WritableKeyPath<Entry, UnsafeMutablePointer<CChar>?>
  ) {
    setList(count, entries, values.sorted { $0.key < $1.key }, initialize) { entry, pair in
      entry[dynamicMember: key] = pair.key
      entry[dynamicMember: value] = pair.value
    }
  }
}

extension MessageBuilder {
  /// Bytes that `pack(into:)` will write.
  package var packedSize: Int {
    withExtendedLifetime(arena) { protobuf_c_message_get_packed_size(base) }
  }

  /// Writes the message into memory of at least `packedSize` bytes.
  package func pack(into buffer: UnsafeMutableRawBufferPointer) {
    withExtendedLifetime(arena) {
      let size = protobuf_c_message_get_packed_size(base)
      precondition(buffer.count >= size, "no room to pack a message")
      guard size > 0, let start = buffer.baseAddress else { return }
      _ = protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// The message's bytes.
  package func packed() -> [UInt8] {
    let size = packedSize
    // With a capacity of 0 the standard library writes the count into the empty array that all threads share.
    guard size > 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      pack(into: UnsafeMutableRawBufferPointer(buffer))
      count = size
    }
  }

  /// Every write to the message: the arena lives at least until it is done.
  private func write(_ body: (inout Message) -> Void) {
    withExtendedLifetime(arena) { body(&message.pointee) }
  }

  private var base: UnsafePointer<ProtobufCMessage> {
    UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
  }
}
