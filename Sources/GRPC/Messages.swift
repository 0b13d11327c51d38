import CGRPC

/// The bytes of one received message.
package struct IncomingMessage: ~Copyable, @unchecked Sendable {
  // SAFETY (Sendable): immutable after init and reference counted with atomics by core: any thread may own it.
  private let slice: grpc_slice

  /// Takes over a byte buffer of core; nil when it cannot be read (a bad compression).
  init?(_ buffer: UnsafeMutablePointer<grpc_byte_buffer>) {
    defer { grpc_byte_buffer_destroy(buffer) }
    var reader = grpc_byte_buffer_reader()
    guard grpc_byte_buffer_reader_init(&reader, buffer) != 0 else { return nil }
    slice = grpc_byte_buffer_reader_readall(&reader)
    grpc_byte_buffer_reader_destroy(&reader)
  }

  /// A message of our own making, for tests of handlers and interceptors.
  package init(_ bytes: [UInt8]) {
    slice = bytes.withUnsafeBytes { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
  }

  deinit { grpc_slice_unref(slice) }

  package var count: Int { withBytes { $0.count } }

  /// Lends the bytes for the time of `body`.
  package borrowing func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try GRPC.withBytes(of: slice, body)
  }
}

/// A message to send, in the form that gRPC core sends: one slice, owned.
package struct OutgoingMessage: ~Copyable, @unchecked Sendable {
  // SAFETY (Sendable): as above, immutable and atomically counted.
  private let slice: grpc_slice

  /// Lets `fill` write the message straight into the slice that is sent.
  package init<Failure: Error>(
    count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    var slice = grpc_slice_malloc(count)
    do {
      try withMutableBytes(of: &slice, fill)
    } catch {
      grpc_slice_unref(slice)
      throw error
    }
    self.slice = slice
  }

  /// The empty message: all fields at their defaults.
  package init() { slice = grpc_empty_slice() }

  /// Copies ready bytes.
  package init(_ bytes: [UInt8]) {
    slice = bytes.withUnsafeBytes { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
  }

  deinit { grpc_slice_unref(slice) }

  package var count: Int { withBytes { $0.count } }

  /// Lends the bytes for the time of `body`.
  package borrowing func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try GRPC.withBytes(of: slice, body)
  }

  /// A byte buffer over the same slice, for the caller to destroy.
  borrowing func makeBuffer() -> UnsafeMutablePointer<grpc_byte_buffer>? {
    var slice = slice
    return grpc_raw_byte_buffer_create(&slice, 1)
  }
}
