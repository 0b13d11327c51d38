internal import LinuxSystem
import Synchronization

/// Keeps a whole answer in memory, up to a limit.
final class Collector: HTTPBodySink {
  private struct State {
    var body: [UInt8] = []
    var isTooLarge = false
    var result: Result<HTTPResponse, HTTPError>?
  }

  private let limit: Int
  private let state = Mutex(State())
  private let monitor = Monitor()
  private let isDone: Condition

  init(limit: Int) {
    self.limit = limit
    isDone = Condition(of: monitor)
  }

  func receive(head: HTTPResponseHead) -> HTTPReception {
    guard let length = head.contentLength else { return .go }
    state.withLock { state in
      // Of an answer to HEAD the length is that of a body which does not come.
      if length <= UInt64(limit) { state.body.reserveCapacity(Int(length)) }
    }
    return .go
  }

  func receive(_ bytes: RawSpan) -> HTTPReception {
    state.withLock { state in
      guard bytes.byteCount <= limit - state.body.count else {
        state.isTooLarge = true
        return .stop
      }
      // SAFETY: the bytes are copied while the span is valid.
      bytes.withUnsafeBytes { state.body.append(contentsOf: $0) }
      return .go
    }
  }

  /// What the completion's result means for the whole answer.
  func result(_ outcome: Result<HTTPResponseHead, HTTPError>) -> Result<HTTPResponse, HTTPError> {
    state.withLock { state in
      switch outcome {
      case .success(let head): return .success(HTTPResponse(head: head, body: state.body))
      case .failure(var error):
        if state.isTooLarge {
          error.kind = .tooLarge
          error.message = "the answer of \(error.endpoint) is longer than \(limit) bytes"
        }
        return .failure(error)
      }
    }
  }

  func finish(_ outcome: Result<HTTPResponseHead, HTTPError>) {
    let whole = result(outcome)
    monitor.locked {
      state.withLock { $0.result = whole }
      isDone.broadcast()
    }
  }

  /// Until `finish`.
  func wait() -> Result<HTTPResponse, HTTPError> {
    monitor.locked {
      while true {
        if let result = state.withLock({ $0.result }) { return result }
        isDone.wait()
      }
    }
  }
}
