import CProtobufC

/// A message that protobuf-c has unpacked, with everything below it, freed with this value.
package struct ParsedMessage<Message>: ~Copyable {
  private let message: UnsafeMutablePointer<Message>

  /// Validates `bytes` and unpacks them. The bytes are not needed afterwards.
  ///
  ///     try ParsedMessage(bytes, csi__v1__create_volume_request__init).read { $0.name }
  package init(_ bytes: UnsafeRawBufferPointer, _ initialize: MessageInitializer<Message>) throws(WireError) {
    let descriptor = descriptor(of: initialize)
    try WireValidator.validate(bytes, as: descriptor)
    let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let unpacked = protobuf_c_message_unpack(descriptor, nil, bytes.count, start) else {
      throw WireError(message: String(cString: descriptor.pointee.name), field: "", problem: .unreadable)
    }
    message = UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: Message.self)
  }

  deinit {
    let base = UnsafeMutableRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    protobuf_c_message_free_unpacked(base, nil)
  }

  /// The only way in. Handing out the pointer instead would let Swift end this value's life, and free the tree, between
  /// reading a pointer and reading through it; it happened in a prototype, as a silent wrong value.
  package borrowing func read<Result, Failure: Error>(
    _ body: (borrowing MessageView<Message>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(MessageView(message))
  }
}
