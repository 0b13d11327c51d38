package import GRPC
package import LinuxSystem
package import ProtobufC

/// A request that can be read off the wire.
package protocol WireRequest: Sendable {
  /// Validates and unpacks; the bytes are not needed afterwards.
  init(wire bytes: UnsafeRawBufferPointer) throws(WireError)
  /// What the request log calls the volume; nil for requests without one.
  var loggedVolume: String? { get }
}

extension WireRequest {
  package var loggedVolume: String? { nil }
}

/// The joint between gRPC and the services: bytes to value, call, reply to bytes, errors to statuses.
package enum UnaryMethod {
  /// A call whose client sets no deadline ends after this.
  package static let patience: Duration = .seconds(120)

  /// - Parameter call: gets the request and the moment at which the client gives up.
  package static func handler<Request: WireRequest>(
    _ request: Request.Type, _ call: @escaping @Sendable (Request, Deadline) async throws(CSIError) -> OutgoingMessage
  ) -> UnaryHandler {
    { message, context in
      let value: Request
      do throws(WireError) {
        // SAFETY: the bytes are lent for the time of the closure, and the request keeps none of them.
        value = unsafe try message.withBytes { bytes throws(WireError) in unsafe try Request(wire: bytes) }
      } catch {
        throw RPCError(CSIError.malformedField("the request", problem: "cannot be read: \(error)"))
      }
      CallRecord.current?.volume = value.loggedVolume
      do throws(CSIError) {
        return try await call(
          value, context.deadline.map { Deadline.after(ContinuousClock.now.duration(to: $0)) } ?? .after(patience))
      } catch {
        throw RPCError(error)
      }
    }
  }

  /// Answers that a method of CSI is not offered, and why.
  package static func notOffered(_ reason: String) -> UnaryHandler {
    { _, context in throw RPCError(CSIError.notImplemented(method: context.method, reason: reason)) }
  }
}

extension OutgoingMessage {
  /// Packs a reply straight into what is sent.
  package init<Message>(packing builder: MessageBuilder<Message>) {
    // SAFETY: the memory has the packed size, and `pack` writes no more.
    unsafe self.init(count: builder.packedSize) { unsafe builder.pack(into: $0) }
  }
}
