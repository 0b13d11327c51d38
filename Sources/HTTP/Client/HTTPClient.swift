internal import LinuxSystem
import Synchronization

/// Sends requests over connections that are kept and shared, HTTP/1.1 and HTTP/2, on one thread of its own.
///
/// It follows no redirect, keeps no cookie, reads no .netrc and decodes no content. libcurl is loaded with the first
/// client: a process that gives up its rights makes it before.
package final class HTTPClient: Sendable {
  private let loop: TransferLoop

  /// Loads libcurl if nobody has, and starts the thread.
  /// - Throws: `.library` with the name of the package to install; `.other` when the machine gives no thread.
  package init(_ configuration: HTTPConfiguration = HTTPConfiguration()) throws(HTTPError) {
    loop = try TransferLoop(library: CurlLibrary.load(configuration.library), configuration: configuration)
    try loop.start()
  }

  deinit { loop.end() }

  /// Loads libcurl now, for a process that can open no libraries later.
  /// - Throws: `.library` with the name of the package to install.
  package static func preload() throws(HTTPError) { _ = try CurlLibrary.load(HTTPConfiguration.defaultLibrary) }

  /// Sends a request.
  /// - Parameters:
  ///   - sink: takes the answer; kept until the completion.
  ///   - completion: called once, on the client's thread, when the whole body was taken or something failed. After
  ///     ``shutdown()`` it is called before this returns.
  /// - Returns: the transfer, to cancel or resume it; it goes on without its owner.
  @discardableResult
  package func start(
    _ request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  ) -> HTTPTransfer {
    let transfer = HTTPTransfer(request: request, sink: sink, completion: completion, loop: loop)
    loop.enqueue(.start(transfer))
    return transfer
  }

  /// Sends a request and waits for the whole answer. For threads that may wait, so neither tasks nor the client's own.
  /// - Parameter bodyLimit: in bytes.
  /// - Throws: `.tooLarge` when the body is longer.
  package func perform(_ request: HTTPRequest, bodyLimit: Int) throws(HTTPError) -> HTTPResponse {
    guard !loop.isCurrentThread else {
      throw HTTPError(.invalid, "the thread that serves requests cannot wait for one")
    }
    let collector = Collector(limit: bodyLimit)
    start(request, sink: collector) { collector.finish($0) }
    return try collector.wait().get()
  }

  /// Sends a request and waits for the whole answer without holding a thread. The end of the task cancels it.
  /// - Parameter bodyLimit: in bytes.
  /// - Throws: `.tooLarge` when the body is longer, `.cancelled` when the task was.
  package func response(to request: HTTPRequest, bodyLimit: Int) async throws(HTTPError) -> HTTPResponse {
    let collector = Collector(limit: bodyLimit)
    let started = Mutex<(transfer: HTTPTransfer?, isCancelled: Bool)>((nil, false))
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let transfer = start(request, sink: collector) { continuation.resume(returning: collector.result($0)) }
        let isCancelled = started.withLock { state in
          state.transfer = transfer
          return state.isCancelled
        }
        if isCancelled { transfer.cancel() }
      }
    } onCancel: {
      started.withLock { state in
        state.isCancelled = true
        return state.transfer
      }?.cancel()
    }
    return try result.get()
  }

  /// Connections that were made so far, for measurements.
  package var connectionsMade: Int { loop.connectionsMade }

  /// Cancels all transfers, closes all connections and waits until the thread has done so. From a completion or a sink it
  /// only says so. Harmless when done before.
  package func shutdown() {
    loop.end()
    if !loop.isCurrentThread { loop.waitForEnd() }
  }
}

/// One request under way.
package final class HTTPTransfer: Sendable {
  let request: HTTPRequest
  let sink: any HTTPBodySink
  let completion: @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  private let loop: TransferLoop

  init(
    request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void, loop: TransferLoop
  ) {
    self.request = request
    self.sink = sink
    self.completion = completion
    self.loop = loop
  }

  /// Ends it: its completion is called with `.cancelled`, unless it was called before.
  package func cancel() { loop.enqueue(.cancel(self)) }

  /// Goes on after a sink's ``HTTPReception/pause``. Without a pause it does nothing.
  package func resume() { loop.enqueue(.resume(self)) }
}
