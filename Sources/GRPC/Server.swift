import CGRPC
package import Logging
import Synchronization

/// A unary gRPC server on one unix socket, over gRPC core.
///
/// One thread waits for core; handlers run as tasks. Requests over 4 MiB get RESOURCE_EXHAUSTED from core itself.
package final class Server: Sendable {
  /// Where the server listens.
  package let endpoint: Endpoint
  private let core: ServerCore
  private let path: ListeningPath
  private let logger: Logger

  /// Listens and serves at once.
  /// - Parameters:
  ///   - handlers: by full method name, `/csi.v1.Identity/Probe`.
  ///   - interceptors: the first is the outermost.
  package convenience init(
    endpoint: Endpoint, handlers: [String: UnaryHandler], interceptors: [any Interceptor] = [],
    logger: Logger = Logger(label: "grpc")
  ) throws(ListenError) {
    try self.init(path: ListeningPath(endpoint), handlers: handlers, interceptors: interceptors, logger: logger)
  }

  /// Serves on a path that was claimed earlier: by a program that must know that it will be the only server before it
  /// starts anything else.
  package init(
    path: ListeningPath, handlers: [String: UnaryHandler], interceptors: [any Interceptor] = [],
    logger: Logger = Logger(label: "grpc")
  ) throws(ListenError) {
    endpoint = path.endpoint
    self.logger = logger
    self.path = path
    core = ServerCore(handlers: handlers, interceptors: interceptors)
    guard path.bind({ core.listen(address: endpoint.address) }) else {
      core.abandon()
      throw .refused(endpoint)
    }
    core.start()
    logger.info("serving", metadata: ["endpoint": "\(endpoint)"])
  }

  /// Calls whose handlers have not returned.
  package var runningHandlers: Int { core.runningHandlers }

  /// Refuses new calls, lets running ones finish for `grace`, then cancels the rest. When it returns nothing is
  /// connected any more and the socket is gone; a handler that ignores its cancellation may still run, its reply goes
  /// nowhere. Call it once.
  package func shutdown(grace: Duration) async {
    logger.info("shutting down", metadata: ["endpoint": "\(endpoint)", "running": "\(runningHandlers)"])
    await core.shutdown(grace: grace)
    path.release()
    if runningHandlers > 0 {
      logger.warning("handlers still run after their calls were cancelled", metadata: ["running": "\(runningHandlers)"])
    }
  }
}

/// Core's server object, its queue, and the calls.
final class ServerCore: @unchecked Sendable {
  // SAFETY (Sendable): core's objects are thread safe; the pointers never change.
  private let server: OpaquePointer
  let queue: CompletionQueue
  private let handlers: [String: UnaryHandler]
  private let running = Atomic(0)

  init(handlers: [String: UnaryHandler], interceptors: [any Interceptor]) {
    queue = CompletionQueue()
    self.handlers = handlers.mapValues { wrap($0, interceptors) }
    unknown = wrap(
      { _, context in throw RPCError(.unimplemented, "method \(context.method) is not served here") }, interceptors)
    server = grpc_server_create(nil, nil)
    grpc_server_register_completion_queue(server, queue.core, nil)
  }

  /// Serves the methods that nobody else does.
  private let unknown: UnaryHandler

  func listen(address: String) -> Bool {
    let credentials = grpc_insecure_server_credentials_create()
    defer { grpc_server_credentials_release(credentials) }
    return grpc_server_add_http2_port(server, address, credentials) != 0
  }

  func start() {
    grpc_server_start(server)
    accept()
  }

  func handler(of method: String) -> UnaryHandler { handlers[method] ?? unknown }

  var runningHandlers: Int { running.load(ordering: .relaxed) }
  func handlerStarted() { running.add(1, ordering: .relaxed) }
  func handlerReturned() { running.subtract(1, ordering: .relaxed) }

  /// Waits for the next call; one is always waited for until the server shuts down.
  private func accept() {
    let call = ServerCall(self)
    call.request(from: server) { [self] isOK in
      guard isOK else { return }  // shutting down
      accept()
      call.start()
    }
  }

  func shutdown(grace: Duration) async {
    let force = Task { [self] in
      try await Task.sleep(for: grace)
      grpc_server_cancel_all_calls(server)
    }
    await withCheckedContinuation { continuation in
      let tag = Completion { _ in continuation.resume() }.makeTag()
      grpc_server_shutdown_and_notify(server, queue.core, tag)
    }
    force.cancel()
    _ = await force.result
    grpc_server_destroy(server)
    queue.shutdown()
  }

  /// Frees a server that never listened.
  func abandon() {
    grpc_server_shutdown_and_notify(server, queue.core, Completion { _ in }.makeTag())
    grpc_server_destroy(server)
    queue.shutdown()
  }
}

/// `handler` inside all `interceptors`.
private func wrap(_ handler: @escaping UnaryHandler, _ interceptors: [any Interceptor]) -> UnaryHandler {
  var wrapped = handler
  for interceptor in interceptors.reversed() {
    let next = wrapped
    wrapped = { request, context in try await interceptor.intercept(request, context, next) }
  }
  return wrapped
}
