/// What a server knows of a call besides its message.
package struct CallContext: Sendable {
  /// Full name: `/csi.v1.Identity/Probe`.
  package let method: String
  /// As the client wrote it. Go's clients send `localhost` on unix sockets; nothing depends on it.
  package let authority: String
  /// When the client gives up; nil: it set no deadline. The handler's task is cancelled then.
  package let deadline: ContinuousClock.Instant?
  /// Bytes of the request message.
  package let requestBytes: Int
  /// The header `traceparent` of W3C's Trace Context, as the client sent it.
  package let traceParent: String?

  package init(
    method: String, authority: String, deadline: ContinuousClock.Instant?, requestBytes: Int, traceParent: String? = nil
  ) {
    self.method = method
    self.authority = authority
    self.deadline = deadline
    self.requestBytes = requestBytes
    self.traceParent = traceParent
  }
}

/// Serves one unary method. Runs in a task of its own, which is cancelled when the client cancels, disconnects or its
/// deadline passes. An `RPCError` thrown becomes the call's status, a `CancellationError` CANCELLED (or
/// DEADLINE_EXCEEDED), anything else INTERNAL with the error's description.
package typealias UnaryHandler =
  @Sendable (consuming IncomingMessage, CallContext) async throws -> OutgoingMessage

/// Sees every call of a server around its handler: for the log, metrics and the like.
///
///     func intercept(_ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler)
///       async throws -> OutgoingMessage {
///       let start = ContinuousClock.now
///       do { let reply = try await next(request, context); …; return reply } catch { …; throw error }
///     }
package protocol Interceptor: Sendable {
  /// Calls `next` once, and gives back what it gives, or throws. Calls of unknown methods come too: their `next` throws
  /// UNIMPLEMENTED.
  func intercept(
    _ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler
  ) async throws -> OutgoingMessage
}

extension RPCError {
  /// The status that an error thrown by a handler becomes. Interceptors use it to log what the client will see.
  package init(thrown error: any Error, _ context: CallContext) {
    switch error {
    case let error as RPCError: self = error
    case is CancellationError:
      let isLate = context.deadline.map { $0 <= .now } ?? false
      self = isLate ? RPCError(.deadlineExceeded, "the call's deadline has passed") : RPCError(.cancelled, "cancelled")
    default: self = RPCError(.internal, "\(error)")
    }
  }
}
