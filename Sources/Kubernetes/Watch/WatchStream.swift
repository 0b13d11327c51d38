internal import DequeModule
internal import HTTP
internal import LinuxSystem
internal import Synchronization

/// The answer to a watch: lines that come for as long as it lasts. A reader that is slow holds up the server, and no more
/// than a bounded number of lines is kept.
final class WatchStream: HTTPBodySink {
  /// What comes next.
  enum Next: Sendable {
    case line([UInt8])
    /// The server is done, as it is after the time that it was asked to watch for.
    case end
    case refused(HTTPResponse)
    case lost(HTTPError)
  }

  private struct State {
    var transfer: HTTPTransfer?
    var head: HTTPResponseHead?
    var lines: Deque<[UInt8]> = []
    var unfinished: [UInt8] = []
    var isPaused = false
    var isTooLong = false
    var isCancelled = false
    var ending: Next?
    var reader: CheckedContinuation<Next, Never>?
  }

  /// Lines that are kept for the reader before the server has to wait.
  static let lineLimit = 64
  /// The most that a line may have, in bytes: an object and what it is wrapped in.
  static let byteLimit = 16 << 20

  private let state = Mutex(State())

  /// Sends the request.
  func start(_ request: HTTPRequest, by client: HTTPClient) {
    let transfer = client.start(request, sink: self) { self.finish($0) }
    let isCancelled = state.withLock { state in
      // A transfer that is over needs no one to hold it: it holds this.
      if state.ending == nil { state.transfer = transfer }
      return state.isCancelled
    }
    if isCancelled { transfer.cancel() }
  }

  /// Ends it; what is left are lines that came before.
  func cancel() {
    state.withLock { state in
      state.isCancelled = true
      return state.transfer
    }?.cancel()
  }

  /// Waits for a line or the end. One reader at a time; the end of its task ends the watch.
  func next() async -> Next {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (next, resumed) = state.withLock { state -> (Next?, HTTPTransfer?) in
          if let line = state.lines.popFirst() {
            guard state.isPaused, state.lines.count < Self.lineLimit / 2 else { return (.line(line), nil) }
            state.isPaused = false
            return (.line(line), state.transfer)
          }
          if let ending = state.ending { return (ending, nil) }
          state.reader = continuation
          return (nil, nil)
        }
        resumed?.resume()
        if let next { continuation.resume(returning: next) }
      }
    } onCancel: {
      cancel()
    }
  }

  func receive(head: HTTPResponseHead) -> HTTPReception {
    state.withLock { $0.head = head }
    return .go
  }

  func receive(_ bytes: RawSpan) -> HTTPReception {
    let (reception, reader, line) = state.withLock { state in take(bytes.bytes, &state) }
    if let reader, let line { reader.resume(returning: .line(line)) }
    return reception
  }

  private func take(
    _ bytes: [UInt8], _ state: inout State
  ) -> (HTTPReception, CheckedContinuation<Next, Never>?, [UInt8]?) {
    var rest = bytes[...]
    // What a refusal says is one text.
    if state.head?.status == 200 {
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        state.unfinished += rest[..<end]
        if !state.unfinished.isEmpty { state.lines.append(state.unfinished) }
        state.unfinished = []
        rest = rest[(end + 1)...]
      }
    }
    state.unfinished += rest
    guard state.unfinished.count <= Self.byteLimit else {
      state.isTooLong = true
      return (.stop, nil, nil)
    }
    var reader: CheckedContinuation<Next, Never>?
    var line: [UInt8]?
    if state.reader != nil, let first = state.lines.popFirst() {
      (reader, line) = (state.reader, first)
      state.reader = nil
    }
    guard state.lines.count >= Self.lineLimit else { return (.go, reader, line) }
    state.isPaused = true
    return (.pause, reader, line)
  }

  private func finish(_ result: Result<HTTPResponseHead, HTTPError>) {
    let (reader, ending) = state.withLock { state -> (CheckedContinuation<Next, Never>?, Next) in
      let ending: Next =
        switch result {
        case .success(let head) where head.status != 200:
          .refused(HTTPResponse(head: head, body: state.unfinished))
        case .success where !state.unfinished.isEmpty:
          .lost(HTTPError(.truncated, "the watch ended in the middle of a line"))
        case .success: .end
        case .failure where state.isTooLong:
          .lost(HTTPError(.tooLarge, "a line of the watch is longer than \(Self.byteLimit) bytes"))
        case .failure(let error): .lost(error)
        }
      state.ending = ending
      state.transfer = nil
      defer { state.reader = nil }
      return (state.reader, ending)
    }
    reader?.resume(returning: ending)
  }
}
