internal import CSIProtocol
internal import GRPC
internal import LinuxSystem
internal import ProtobufC

/// Questions to whoever serves gRPC at a unix socket.
struct SocketInquiry {
  enum Problem: Error, CustomStringConvertible {
    /// The socket is there and nobody listens.
    case nobody
    /// The server has no such method.
    case refused
    case other(String)

    var description: String {
      switch self {
      case .nobody: "nobody listens"
      case .refused: "it has no such method"
      case .other(let reason): reason
      }
    }
  }

  private let client: Client

  /// - Throws: where the path cannot be a socket's: it takes 107 bytes.
  init(_ path: String) throws(Problem) {
    do throws(EndpointError) { client = Client(try Endpoint(path: path)) } catch { throw .other(error.description) }
  }

  /// Identity.GetPluginInfo.
  func pluginInfo(by deadline: Deadline) async throws(Problem) -> (name: String, version: String) {
    let reply = try await call("/csi.v1.Identity/GetPluginInfo", by: deadline)
    do {
      // SAFETY: the bytes are lent for the time of the closure, and what is read is copied.
      return unsafe try reply.withBytes { bytes in
        unsafe try ParsedMessage(bytes, csi__v1__get_plugin_info_response__init).read { view in
          unsafe (view.name, view.vendor_version)
        }
      }
    } catch {
      throw .other("\(error)")
    }
  }

  /// Identity.Probe; a plugin that does not say is ready.
  func isReady(by deadline: Deadline) async throws(Problem) -> Bool {
    let reply = try await call("/csi.v1.Identity/Probe", by: deadline)
    do {
      // SAFETY: as above.
      return unsafe try reply.withBytes { bytes in
        unsafe try ParsedMessage(bytes, csi__v1__probe_response__init).read { view in
          let ready: MessageView<Google__Protobuf__BoolValue>? = unsafe view.ready
          guard let ready = unsafe ready else { return true }
          return unsafe ready.flag(\.value)
        }
      }
    } catch {
      throw .other("\(error)")
    }
  }

  /// Whether a kubelet's registration is served there: whoever does not know the method is another server, and alive.
  func isServed(by deadline: Deadline) async throws(Problem) {
    do throws(Problem) { _ = try await call("/pluginregistration.Registration/GetInfo", by: deadline) } catch .refused {
    }
  }

  private func call(_ method: String, by deadline: Deadline) async throws(Problem) -> IncomingMessage {
    do throws(RPCError) {
      return try await client.call(method, OutgoingMessage(), timeout: deadline.remaining())
    } catch {
      switch error.code {
      case .unavailable: throw .nobody
      case .unimplemented: throw .refused
      default: throw .other("\(error)")
      }
    }
  }
}
