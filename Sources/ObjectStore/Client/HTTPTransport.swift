package import HTTP
package import LinuxSystem

/// What sends requests: libcurl's client, or in tests what plays a server.
package protocol HTTPTransport: Sendable {
  /// As ``HTTPClient/start(_:sink:completion:)``.
  func begin(
    _ request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  ) -> any HTTPExchange
}

/// One request under way, as ``HTTPTransfer``.
package protocol HTTPExchange: Sendable {
  func cancel()
  func resume()
}

extension HTTPTransfer: HTTPExchange {}

extension HTTPClient: HTTPTransport {
  package func begin(
    _ request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  ) -> any HTTPExchange { start(request, sink: sink, completion: completion) }
}

/// Time as requests see it: the machine's, or in tests one that is set by hand.
package protocol RequestClock: Sendable {
  /// Measures and limits.
  var now: Deadline { get }
  /// The time of day, for signatures. May be wrong.
  var wallSeconds: Int64 { get }
  /// Calls `body` once when the moment comes, on a thread of the clock's own; `body` must not block.
  func schedule(_ moment: Deadline, _ body: @escaping @Sendable () -> Void) -> UInt64
  /// Forgets it. It may be running at this moment.
  func cancel(_ id: UInt64)
}

/// The machine's clocks, with one thread for all waits: neither a caller's nor the HTTP client's.
package final class SystemRequestClock: RequestClock {
  private let watch = DeadlineWatch()

  package init() {}

  package var now: Deadline { .now }
  package var wallSeconds: Int64 { WallClock.coarseNanoseconds / 1_000_000_000 }
  package func schedule(_ moment: Deadline, _ body: @escaping @Sendable () -> Void) -> UInt64 {
    watch.add(moment, body)
  }
  package func cancel(_ id: UInt64) { watch.cancel(id) }
}
