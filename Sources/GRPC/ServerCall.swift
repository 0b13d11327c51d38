import CGRPC
import Synchronization

/// One unary call on the server.
///
/// Its life: `request` waits for it, `start` receives the message, `run` starts the handler's task, `finish` sends the
/// status. Beside that core tells when the call has ended, by the status or by a cancel, a disconnect or a deadline,
/// which cancels the task. Core's call is given back as soon as nothing of it is under way any more, even when a
/// cancelled handler still runs, so that a server can shut down in spite of it.
final class ServerCall: @unchecked Sendable {
  // SAFETY (Sendable): `storage` is written by core between a batch's start and its completion, and read on the queue's
  // thread after it; everything else that changes is in `state`.

  /// What core writes to. It lives in heap storage of its own, whose address never changes.
  private struct Storage {
    var call: OpaquePointer?
    var details = grpc_call_details()
    var metadata = grpc_metadata_array()
    var message: UnsafeMutablePointer<grpc_byte_buffer>?
    var cancelled: Int32 = 0
  }

  private struct State {
    /// Batches that core has not completed.
    var pending = 0
    /// The handler's answer is on its way, or can no longer be sent.
    var isAnswered = false
    var isCancelled = false
    var task: Task<Void, Never>?
    /// Gone when the call was given back.
    var call: OpaquePointer?
  }

  private let storage: UnsafeMutablePointer<Storage>
  private let server: ServerCore
  private let state = Mutex(State())

  init(_ server: ServerCore) {
    self.server = server
    storage = .allocate(capacity: 1)
    storage.initialize(to: Storage())
    grpc_call_details_init(&storage.pointee.details)
    grpc_metadata_array_init(&storage.pointee.metadata)
  }

  deinit {
    grpc_call_details_destroy(&storage.pointee.details)
    grpc_metadata_array_destroy(&storage.pointee.metadata)
    storage.deinitialize(count: 1)
    storage.deallocate()
  }

  /// Asks core for the next call; `done` runs when there is one, or with false when the server shuts down.
  func request(from coreServer: OpaquePointer, _ done: @escaping (Bool) -> Void) {
    let call = withUnsafeMutablePointer(to: &storage.pointee.call) { $0 }
    let details = withUnsafeMutablePointer(to: &storage.pointee.details) { $0 }
    let metadata = withUnsafeMutablePointer(to: &storage.pointee.metadata) { $0 }
    let tag = Completion(done).makeTag()
    let queue = server.queue.core
    let error = grpc_server_request_call(coreServer, call, details, metadata, queue, queue, tag)
    if error != GRPC_CALL_OK { Completion.drop(tag) }
  }

  /// Receives the message and hands it to the method's handler. On the queue's thread, as all completions.
  func start() {
    state.withLock { $0.call = storage.pointee.call }
    var close = grpc_op()
    close.op = GRPC_OP_RECV_CLOSE_ON_SERVER
    close.data.recv_close_on_server.cancelled = withUnsafeMutablePointer(to: &storage.pointee.cancelled) { $0 }
    batch([close]) { [self] _ in if storage.pointee.cancelled != 0 { cancel() } }

    var receive = grpc_op()
    receive.op = GRPC_OP_RECV_MESSAGE
    receive.data.recv_message.recv_message = withUnsafeMutablePointer(to: &storage.pointee.message) { $0 }
    batch([receive]) { [self] _ in
      guard let message = storage.pointee.message else {
        // The client closed without a message, or core refused the message and answers itself.
        return finish(with: RPCError(.unimplemented, "a unary call needs one request message"))
      }
      storage.pointee.message = nil
      run(message)
    }
  }

  private func run(_ message: UnsafeMutablePointer<grpc_byte_buffer>) {
    let context = CallContext(
      method: string(storage.pointee.details.method), authority: string(storage.pointee.details.host),
      deadline: instant(storage.pointee.details.deadline), requestBytes: grpc_byte_buffer_length(message),
      traceParent: header("traceparent"))
    let handler = server.handler(of: context.method)
    server.handlerStarted()
    // Owned by the task alone from here on.
    nonisolated(unsafe) let message = message
    let task = Task { [self] in
      do {
        guard let request = IncomingMessage(message) else {
          throw RPCError(.internal, "the request message cannot be decompressed")
        }
        let reply = try await handler(request, context)
        server.handlerReturned()
        finish(with: reply)
      } catch {
        server.handlerReturned()
        finish(with: RPCError(thrown: error, context))
      }
    }
    let isCancelled = state.withLock { state in
      state.task = task
      return state.isCancelled
    }
    if isCancelled { task.cancel() }
  }

  /// The call has ended without our status.
  private func cancel() {
    let task = state.withLock { state in
      state.isCancelled = true
      state.isAnswered = true
      return state.task
    }
    task?.cancel()
  }

  /// Sends the reply and OK.
  private func finish(with reply: consuming OutgoingMessage) {
    guard claimAnswer() else { return }
    let buffer = reply.makeBuffer()
    var ops = [grpc_op](repeating: grpc_op(), count: 3)
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA
    ops[1].op = GRPC_OP_SEND_MESSAGE
    ops[1].data.send_message.send_message = buffer
    ops[2].op = GRPC_OP_SEND_STATUS_FROM_SERVER
    ops[2].data.send_status_from_server.status = GRPC_STATUS_OK
    nonisolated(unsafe) let owned = buffer
    batch(ops, isClaimed: true) { _ in grpc_byte_buffer_destroy(owned) }
  }

  /// Sends a status other than OK.
  private func finish(with error: RPCError) {
    guard claimAnswer() else { return }
    var details = makeSlice(error.trailer)
    defer { grpc_slice_unref(details) }
    withUnsafeMutablePointer(to: &details) { details in
      var ops = [grpc_op](repeating: grpc_op(), count: 2)
      ops[0].op = GRPC_OP_SEND_INITIAL_METADATA
      ops[1].op = GRPC_OP_SEND_STATUS_FROM_SERVER
      ops[1].data.send_status_from_server.status = error.code.core
      ops[1].data.send_status_from_server.status_details = details
      batch(ops, isClaimed: true) { _ in }  // core copies the details at once
    }
  }

  /// Whether the caller may answer: true once, and never after the call has ended.
  private func claimAnswer() -> Bool {
    state.withLock { state in
      if state.isAnswered { return false }
      state.isAnswered = true
      state.pending += 1  // of the answer's batch: the call must not be given back before it starts
      return true
    }
  }

  private func batch(_ ops: [grpc_op], isClaimed: Bool = false, _ done: @escaping (Bool) -> Void) {
    let call = state.withLock { state in
      if !isClaimed { state.pending += 1 }
      return state.call
    }
    let tag = Completion { [self] isOK in
      done(isOK)
      let finished = state.withLock { state -> OpaquePointer? in
        state.pending -= 1
        return state.pending == 0 && state.isAnswered ? state.call.take() : nil
      }
      if let finished { grpc_call_unref(finished) }
    }.makeTag()
    let error = grpc_call_start_batch(call, ops, ops.count, tag, nil)
    precondition(error == GRPC_CALL_OK, String(cString: grpc_call_error_to_string(error)))
  }

  /// The first of this name that the client sent.
  private func header(_ name: String) -> String? {
    // SAFETY: core owns the array until the call's storage goes, and writes to it no more.
    let headers = UnsafeBufferPointer(start: storage.pointee.metadata.metadata, count: storage.pointee.metadata.count)
    return headers.first { string($0.key) == name }.map { string($0.value) }
  }

  private func instant(_ time: gpr_timespec) -> ContinuousClock.Instant? {
    if gpr_time_cmp(time, gpr_inf_future(time.clock_type)) == 0 { return nil }
    let left = gpr_time_sub(gpr_convert_clock_type(time, GPR_CLOCK_MONOTONIC), gpr_now(GPR_CLOCK_MONOTONIC))
    return .now + .seconds(left.tv_sec) + .nanoseconds(Int64(left.tv_nsec))
  }
}
