internal import HTTP
internal import LinuxSystem
import Synchronization

/// A short answer that a thread waits for: those of credential services.
final class SmallReply: HTTPBodySink {
  private struct State {
    var body: [UInt8] = []
    var result: Result<HTTPResponseHead, HTTPError>?
  }

  private let state = Mutex(State())
  private let monitor = Monitor()
  private let isDone: Condition

  /// Bytes; credentials take some thousand.
  private static let limit = 256 << 10

  private init() { isDone = Condition(of: monitor) }

  /// Sends a request and waits for the whole answer, whatever its status.
  static func get(
    _ request: HTTPRequest, of service: String, by transport: any HTTPTransport, deadline: Deadline,
    connect: Duration = .seconds(3)
  ) throws(CredentialError) -> HTTPResponse {
    var request = request
    let remaining = deadline == .never ? .seconds(20) : min(.seconds(20), deadline.remaining())
    request.timeouts = HTTPTimeouts(
      connect: min(connect, remaining), response: min(.seconds(5), remaining), stall: .seconds(5), total: remaining)
    let reply = SmallReply()
    // Held until the answer is there.
    let exchange = transport.begin(request, sink: reply) { reply.finish($0) }
    let result = reply.wait()
    _ = exchange
    switch result {
    case .success(let head): return HTTPResponse(head: head, body: reply.state.withLock { $0.body })
    case .failure(let error): throw CredentialError("\(service) does not answer: \(error.message)")
    }
  }

  func receive(head: HTTPResponseHead) -> HTTPReception { .go }

  func receive(_ bytes: RawSpan) -> HTTPReception {
    state.withLock { state in
      guard state.body.count + bytes.byteCount <= Self.limit else { return .stop }
      state.body += bytes.bytes
      return .go
    }
  }

  private func finish(_ result: Result<HTTPResponseHead, HTTPError>) {
    monitor.locked {
      state.withLock { $0.result = result }
      isDone.broadcast()
    }
  }

  private func wait() -> Result<HTTPResponseHead, HTTPError> {
    monitor.locked {
      while true {
        if let result = state.withLock({ $0.result }) { return result }
        isDone.wait()
      }
    }
  }
}
