internal import CMicroHTTPD
import Synchronization

/// One request, from its first line to its answer.
final class ServedRequest: Sendable {
  /// Nil until the answer is there.
  let reply = Mutex<ServerReply?>(nil)
}

/// The requests of a server: takes them from the library's thread, has them answered by tasks, and hands the answers back.
final class ServedRequests: Sendable {
  private struct State {
    var running: [UInt64: Task<Void, Never>] = [:]
    var lastID: UInt64 = 0
    var isStopping = false
    var whenIdle: CheckedContinuation<Void, Never>?
  }

  private let library: MicroHTTPDLibrary
  private let answer: @Sendable (String) async -> ServerReply
  private let state = Mutex(State())

  init(_ library: MicroHTTPDLibrary, answer: @escaping @Sendable (String) async -> ServerReply) {
    self.library = library
    self.answer = answer
  }

  /// On the library's thread: once with the fields, once for each part of a body, once at its end, and again when the
  /// connection goes on with an answer.
  func take(
    _ connection: ServedConnection, _ path: String, _ method: String, _ uploadSize: UnsafeMutablePointer<Int>,
    _ context: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  ) -> MHD_Result {
    guard let known = context.pointee else {
      // SAFETY: released when the library says that the request is over.
      context.pointee = Unmanaged.passRetained(ServedRequest()).toOpaque()
      let isAllowed = method == "GET" || method == "HEAD"
      return isAllowed ? cmhd_yes : send(ServerReply(405, "only GET and HEAD are answered here\n"), on: connection)
    }
    guard uploadSize.pointee == 0 else {
      uploadSize.pointee = 0
      return cmhd_yes
    }
    let request = Unmanaged<ServedRequest>.fromOpaque(known).takeUnretainedValue()
    if let reply = request.reply.withLock({ $0 }) { return send(reply, on: connection) }
    return begin(request, connection, path) ? cmhd_yes : send(ServerReply(503, "ending\n"), on: connection)
  }

  /// - Returns: false where no more are begun.
  private func begin(_ request: ServedRequest, _ connection: ServedConnection, _ path: String) -> Bool {
    state.withLock { state in
      if state.isStopping { return false }
      library.functions.pointee.suspend_connection(connection.raw)
      state.lastID += 1
      let id = state.lastID
      // Owned by the table, which cancels it when the server stops.
      state.running[id] = Task {
        let reply = await answer(path)
        request.reply.withLock { $0 = reply }
        library.functions.pointee.resume_connection(connection.raw)
        end(id)
      }
      return true
    }
  }

  private func end(_ id: UInt64) {
    let idle = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.running[id] = nil
      return state.running.isEmpty ? state.whenIdle.take() : nil
    }
    idle?.resume()
  }

  /// Begins nothing more, and returns when no connection is suspended: the library must not be stopped before.
  func stop() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state -> Bool in
        state.isStopping = true
        for task in state.running.values { task.cancel() }
        if state.running.isEmpty { return true }
        state.whenIdle = continuation
        return false
      }
      if isIdle { continuation.resume() }
    }
  }

  private func send(_ reply: ServerReply, on connection: ServedConnection) -> MHD_Result {
    let functions = library.functions.pointee
    // SAFETY: the library copies the bytes before the call returns, and writes nothing to them.
    let response = reply.body.withUnsafeBytes { bytes in
      functions.create_response_from_buffer(
        bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), cmhd_copied)
    }
    guard let response else { return cmhd_no }
    defer { functions.destroy_response(response) }
    _ = functions.add_response_header(response, "Content-Type", reply.contentType)
    // Who asks comes back after many seconds: a connection that waits for that would keep another from its place.
    _ = functions.add_response_header(response, "Connection", "close")
    if reply.status == 405 { _ = functions.add_response_header(response, "Allow", "GET, HEAD") }
    return functions.queue_response(connection.raw, reply.status, response)
  }
}
