internal import CMicroHTTPD
package import LinuxSystem

/// A small HTTP/1.1 server for GET and HEAD, as scrapers and probes ask: libmicrohttpd on one thread of its own, answers made by
/// tasks, so that one that takes long holds no other up. Connections, their memory and their idle time are bounded.
package final class HTTPServer: Sendable {
  private let requests: ServedRequests
  private let daemon: ServerDaemon

  /// More wait in the kernel's queue.
  static let maximumConnections: UInt32 = 32
  /// Without a byte in either direction.
  static let idleSeconds: UInt32 = 15
  /// Request line, fields and buffers of one connection.
  static let connectionBytes = 16 << 10

  /// Serves at once.
  /// - Parameter answer: gets a request's path, decoded and without its query; cancelled when the server stops.
  /// - Throws: where the library is not there or does not start.
  package convenience init(
    _ listener: consuming TCPListener, answer: @escaping @Sendable (_ path: String) async -> ServerReply
  ) throws(HTTPServerError) {
    try self.init(listener, library: MicroHTTPDLibrary.name, answer: answer)
  }

  init(
    _ listener: consuming TCPListener, library: String, answer: @escaping @Sendable (String) async -> ServerReply
  ) throws(HTTPServerError) {
    let library = try MicroHTTPDLibrary.load(library)
    requests = ServedRequests(library, answer: answer)
    daemon = try ServerDaemon(library, listener.takeDescriptor(), requests)
  }

  /// Answers what was asked with 503 or what is ready, and closes everything. Call it once, before the server is let go.
  package func stop() async {
    await requests.stop()
    daemon.stop()
  }
}

/// The library's object.
private struct ServerDaemon: @unchecked Sendable {
  // SAFETY (Sendable): the library's daemon is thread safe; the pointer never changes.
  private let raw: OpaquePointer
  private let library: MicroHTTPDLibrary
  private let requests: Unmanaged<ServedRequests>

  init(
    _ library: MicroHTTPDLibrary, _ socket: consuming Descriptor, _ requests: ServedRequests
  ) throws(HTTPServerError) {
    // SAFETY: the daemon's calls hold this reference until it has been stopped, in `stop`.
    let held = Unmanaged.passRetained(requests)
    let number = socket.release()
    let raw = cmhd_start(
      library.functions, number, HTTPServer.maximumConnections, HTTPServer.idleSeconds,
      HTTPServer.connectionBytes, held.toOpaque(),
      { context, connection, url, method, _, _, uploadSize, request in
        guard let context, let connection, let request, let uploadSize else { return cmhd_no }
        let requests = Unmanaged<ServedRequests>.fromOpaque(context).takeUnretainedValue()
        // SAFETY: the texts live during the call; the body is passed over, as its size of 0 says.
        return requests.take(
          ServedConnection(raw: connection), url.map { String(cString: $0) } ?? "/",
          method.map { String(cString: $0) } ?? "", uploadSize, request)
      },
      { _, _, request, _ in
        // SAFETY: retained where the request began, and asked for no more.
        if let held = request?.pointee { Unmanaged<ServedRequest>.fromOpaque(held).release() }
        request?.pointee = nil
      })
    guard let raw else {
      held.release()
      throw HTTPServerError("the HTTP server does not start: no thread or descriptor is left for it")
    }
    self.raw = raw
    self.library = library
    self.requests = held
  }

  func stop() {
    library.functions.pointee.stop_daemon(raw)
    requests.release()
  }
}

/// The library's connection.
struct ServedConnection: @unchecked Sendable {
  // SAFETY (Sendable): a suspended connection is touched by nobody but who resumes it, from any thread.
  let raw: OpaquePointer
}
