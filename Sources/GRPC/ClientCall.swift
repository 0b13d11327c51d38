import CGRPC

/// One unary call of a client. Out-parameters of core live in heap storage, whose address never changes.
final class ClientCall: @unchecked Sendable {
  // SAFETY (Sendable): core's call is thread safe. `storage` is core's until the batch completes, and then the
  // awaiting task's.
  private struct Storage {
    var initialMetadata = grpc_metadata_array()
    var trailingMetadata = grpc_metadata_array()
    var message: UnsafeMutablePointer<grpc_byte_buffer>?
    var status = GRPC_STATUS_UNKNOWN
    var details = grpc_empty_slice()
  }

  private let call: OpaquePointer
  private let storage: UnsafeMutablePointer<Storage>

  /// GRPC_PROPAGATE_DEFAULTS, a cast that Swift does not import. Without a parent call it has no effect.
  private static let propagateDefaults: UInt32 = 0xFFFF

  init(channel: OpaquePointer, queue: CompletionQueue, method: String, timeout: Duration?) {
    storage = .allocate(capacity: 1)
    storage.initialize(to: Storage())
    grpc_metadata_array_init(&storage.pointee.initialMetadata)
    grpc_metadata_array_init(&storage.pointee.trailingMetadata)
    let path = makeSlice(method)
    call = grpc_channel_create_call(
      channel, nil, Self.propagateDefaults, queue.core, path, nil, Self.deadline(timeout), nil)
    grpc_slice_unref(path)
  }

  deinit {
    grpc_call_unref(call)
    if let message = storage.pointee.message { grpc_byte_buffer_destroy(message) }
    grpc_metadata_array_destroy(&storage.pointee.initialMetadata)
    grpc_metadata_array_destroy(&storage.pointee.trailingMetadata)
    grpc_slice_unref(storage.pointee.details)
    storage.deinitialize(count: 1)
    storage.deallocate()
  }

  /// Sends `message`, which stays the caller's, and receives everything. `done` runs when the status is there.
  func start(
    _ message: UnsafeMutablePointer<grpc_byte_buffer>?, waitForReady: Bool, _ done: @escaping @Sendable () -> Void
  ) {
    var ops = [grpc_op](repeating: grpc_op(), count: 6)
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA
    if waitForReady {
      ops[0].flags =
        UInt32(GRPC_INITIAL_METADATA_WAIT_FOR_READY) | UInt32(GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET)
    }
    ops[1].op = GRPC_OP_SEND_MESSAGE
    ops[1].data.send_message.send_message = message
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA
    ops[3].data.recv_initial_metadata.recv_initial_metadata = field(\.initialMetadata)
    ops[4].op = GRPC_OP_RECV_MESSAGE
    ops[4].data.recv_message.recv_message = field(\.message)
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT
    ops[5].data.recv_status_on_client.trailing_metadata = field(\.trailingMetadata)
    ops[5].data.recv_status_on_client.status = field(\.status)
    ops[5].data.recv_status_on_client.status_details = field(\.details)
    let tag = Completion { [self] _ in
      _ = self  // alive until core is done with its storage
      done()
    }.makeTag()
    let error = grpc_call_start_batch(call, ops, ops.count, tag, nil)
    precondition(error == GRPC_CALL_OK, String(cString: grpc_call_error_to_string(error)))
  }

  /// Ends the call with CANCELLED; nothing happens when it has ended.
  func cancel() { grpc_call_cancel(call, nil) }

  /// After `done`, once.
  func takeReply() throws(RPCError) -> IncomingMessage {
    let code = StatusCode(storage.pointee.status)
    guard code == .ok else { throw RPCError(code, string(storage.pointee.details)) }
    guard let buffer = storage.pointee.message else { throw RPCError(.internal, "OK without a reply message") }
    storage.pointee.message = nil
    guard let reply = IncomingMessage(buffer) else { throw RPCError(.internal, "the reply cannot be decompressed") }
    return reply
  }

  private func field<Value>(_ path: WritableKeyPath<Storage, Value>) -> UnsafeMutablePointer<Value> {
    // Stored properties have addresses: `storage` is heap memory that never moves.
    let offset = MemoryLayout<Storage>.offset(of: path)!
    return (UnsafeMutableRawPointer(storage) + offset).assumingMemoryBound(to: Value.self)
  }

  private static func deadline(_ timeout: Duration?) -> gpr_timespec {
    guard let timeout else { return gpr_inf_future(GPR_CLOCK_MONOTONIC) }
    let (seconds, attoseconds) = timeout.components
    let span = gpr_timespec(
      tv_sec: seconds, tv_nsec: Int32(attoseconds / 1_000_000_000), clock_type: GPR_TIMESPAN)
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), span)
  }
}
