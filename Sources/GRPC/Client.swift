import CGRPC
import Glibc
import Synchronization

/// A unary gRPC client of one unix socket: for the demo, the benchmarks and tests.
///
/// Connects with the first call, and again after the server was away. Every client has a connection of its own.
package final class Client: @unchecked Sendable {
  // SAFETY (Sendable): core's channel is thread safe; the pointers never change.
  private let channel: OpaquePointer
  private let queue: CompletionQueue
  private let isClosed = Atomic(false)

  /// - Parameter authority: as sent; `localhost` is what Go's clients send on a unix socket.
  package init(_ endpoint: Endpoint, authority: String = "localhost") {
    queue = CompletionQueue()
    channel = authority.withCString { authority in
      // core copies keys and values, though its types ask for mutable memory.
      var arguments = [grpc_arg(), grpc_arg()]
      arguments[0].type = GRPC_ARG_STRING
      arguments[0].key = strdup(GRPC_ARG_DEFAULT_AUTHORITY)
      arguments[0].value.string = UnsafeMutablePointer(mutating: authority)
      // Else two clients of one socket would share a connection.
      arguments[1].type = GRPC_ARG_INTEGER
      arguments[1].key = strdup(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL)
      arguments[1].value.integer = 1
      defer { for argument in arguments { free(argument.key) } }
      return arguments.withUnsafeMutableBufferPointer { arguments in
        var list = grpc_channel_args(num_args: arguments.count, args: arguments.baseAddress)
        let credentials = grpc_insecure_credentials_create()
        defer { grpc_channel_credentials_release(credentials) }
        return grpc_channel_create(endpoint.address, credentials, &list)
      }
    }
  }

  /// Closes the connection. No call may be running: it waits for those that are. Also done by `deinit`.
  package func close() {
    guard !isClosed.exchange(true, ordering: .acquiringAndReleasing) else { return }
    grpc_channel_destroy(channel)
    queue.shutdown()
  }

  deinit { close() }

  /// Calls a unary method and waits for its reply. Cancelling the task cancels the call.
  /// - Parameters:
  ///   - timeout: from now; sent to the server as the deadline. nil: none.
  ///   - waitForReady: waits for a server that is not there yet, instead of UNAVAILABLE at once.
  /// - Throws: the status, when it is not OK.
  package func call(
    _ method: String, _ message: consuming OutgoingMessage, timeout: Duration? = nil, waitForReady: Bool = false
  ) async throws(RPCError) -> IncomingMessage {
    let call = ClientCall(channel: channel, queue: queue, method: method, timeout: timeout)
    let buffer = message.makeBuffer()
    nonisolated(unsafe) let owned = buffer
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        call.start(owned, waitForReady: waitForReady) { continuation.resume() }
      }
    } onCancel: {
      call.cancel()
    }
    grpc_byte_buffer_destroy(buffer)
    return try call.takeReply()
  }
}
