import HTTP
import LinuxSystem
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

/// Takes an answer and remembers what came; can be told to pause or stop.
final class RecordingSink: HTTPBodySink {
  struct State {
    var heads: [HTTPResponseHead] = []
    var bytes: [UInt8] = []
    var calls = 0
  }
  let state = Mutex(State())
  private let answer: @Sendable (_ calls: Int) -> HTTPReception
  private let onHead: @Sendable () -> HTTPReception

  /// - Parameter answer: what it says to the body's first, second, … piece.
  init(
    answer: @escaping @Sendable (_ calls: Int) -> HTTPReception = { _ in .go },
    onHead: @escaping @Sendable () -> HTTPReception = { .go }
  ) {
    self.onHead = onHead
    self.answer = answer
  }

  func receive(head: HTTPResponseHead) -> HTTPReception {
    state.withLock { $0.heads.append(head) }
    return onHead()
  }

  func receive(_ bytes: RawSpan) -> HTTPReception {
    let calls = state.withLock { state in
      state.bytes += bytes.bytes
      state.calls += 1
      return state.calls
    }
    return answer(calls)
  }

  var bytes: [UInt8] { state.withLock { $0.bytes } }
  /// How often it was given bytes.
  var calls: Int { state.withLock { $0.calls } }
}

/// Something that happens once or more, which a test waits for.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() { (stream, continuation) = AsyncStream.makeStream() }

  func happen() { continuation.yield() }

  /// Until it has happened once more.
  func wait() async {
    for await _ in stream { return }
  }
}

extension HTTPClient {
  /// Starts a request; the result comes when it is there.
  func begin(
    _ request: HTTPRequest, sink: any HTTPBodySink = RecordingSink()
  ) -> (transfer: HTTPTransfer, result: Outcome) {
    let outcome = Outcome()
    return (start(request, sink: sink) { outcome.finish($0) }, outcome)
  }

  /// The whole answer, for tests.
  func get(_ url: String, limit: Int = 64 << 20) async throws(HTTPError) -> HTTPResponse {
    try await response(to: HTTPRequest(url: url), bodyLimit: limit)
  }
}

/// The result of one transfer, given once.
final class Outcome: Sendable {
  private let results = Mutex<[Result<HTTPResponseHead, HTTPError>]>([])
  private let signal = Signal()

  func finish(_ result: Result<HTTPResponseHead, HTTPError>) {
    results.withLock { $0.append(result) }
    signal.happen()
  }

  /// Waits for it.
  func get() async throws -> Result<HTTPResponseHead, HTTPError> {
    await signal.wait()
    let results = results.withLock { $0 }
    #expect(results.count == 1)
    return try #require(results.first)
  }
}

/// The bytes of echo_server.py's pattern.
func pattern(_ range: Range<Int>) -> [UInt8] { range.map { UInt8($0 % 251) } }
