import HTTP
import LinuxSystem
import Logging
import ObjectStore
import Synchronization
import VolumeModel

/// Plays the server: answers each request by the next of its script, at once or when told.
final class ScriptedTransport: HTTPTransport {
  /// One answer.
  enum Step: Sendable {
    case reply(Int, [String: String] = [:], String = "")
    /// A head, the beginning of a body, and then a failure.
    case broken(Int, [String: String], String, HTTPError.Kind)
    case failure(HTTPError.Kind, wasSent: Bool = true)
    /// The time of the attempt is up, after the function was called.
    case timeout(@Sendable () -> Void)
    /// A head and one piece, which the sink pauses at. The function is called before the exchange is handed out, and its
    /// end comes with the resumption.
    case paused(Int, [String: String], String, @Sendable () -> Void)
    /// Nothing comes; what is cancelled ends.
    case silence
  }

  private struct State {
    var steps: [Step]
    var requests: [HTTPRequest] = []
    var cancelled = 0
  }

  private let state: Mutex<State>
  private let monitor = Monitor()
  private let changed: Condition

  init(_ steps: [Step]) {
    state = Mutex(State(steps: steps))
    changed = Condition(of: monitor)
  }

  /// Waits until so much has happened: requests that were sent, and cancelled.
  func wait(until condition: (_ requests: Int, _ cancelled: Int) -> Bool) {
    monitor.locked {
      while true {
        let (requests, cancelled) = state.withLock { ($0.requests.count, $0.cancelled) }
        if condition(requests, cancelled) { return }
        changed.wait()
      }
    }
  }

  private func tell() { monitor.locked { changed.broadcast() } }

  /// One more answer at the end of the script.
  func append(_ step: Step) { state.withLock { $0.steps.append(step) } }

  /// What was sent, in order.
  var requests: [HTTPRequest] { state.withLock { $0.requests } }

  /// A field of a request that was sent.
  func field(_ name: String, of place: Int) -> String? {
    requests[place].fields.first { $0.isNamed(name) }?.value
  }

  func begin(
    _ request: HTTPRequest, sink: any HTTPBodySink,
    completion: @escaping @Sendable (Result<HTTPResponseHead, HTTPError>) -> Void
  ) -> any HTTPExchange {
    let step: Step = state.withLock { state in
      state.requests.append(request)
      return state.steps.isEmpty ? .reply(599) : state.steps.removeFirst()
    }
    tell()
    switch step {
    case .reply(let status, let fields, let body):
      completion(Self.play(status, fields, body, to: sink))
    case .broken(let status, let fields, let body, let kind):
      let played = Self.play(status, fields, body, to: sink)
      let broken = HTTPError(kind, "the connection broke", wasSent: true)
      if case .failure = played { completion(played) } else { completion(.failure(broken)) }
    case .paused(let status, let fields, let body, let whenPaused):
      let head = HTTPResponseHead(status: status, fields: fields.map { HTTPField($0, $1) }, version: "1.1")
      _ = sink.receive(head: head)
      guard case .pause = sink.receive(Array(body.utf8).span.bytes) else { break }
      whenPaused()
      return Exchange(onResume: { completion(.success(head)) }) {}
    case .failure(let kind, let wasSent):
      completion(.failure(HTTPError(kind, "nothing came", wasSent: wasSent)))
    case .timeout(let before):
      before()
      completion(.failure(HTTPError(.timeout(.total), "nothing came", wasSent: true)))
    case .silence:
      return Exchange { [self] in
        state.withLock { $0.cancelled += 1 }
        tell()
        completion(.failure(HTTPError(.cancelled, "cancelled", wasSent: true)))
      }
    }
    return Exchange {}
  }

  private static func play(
    _ status: Int, _ fields: [String: String], _ body: String, to sink: any HTTPBodySink
  ) -> Result<HTTPResponseHead, HTTPError> {
    let head = HTTPResponseHead(status: status, fields: fields.map { HTTPField($0, $1) }, version: "1.1")
    let bytes = Array(body.utf8)
    guard case .go = sink.receive(head: head) else { return .failure(HTTPError(.cancelled, "stopped", wasSent: true)) }
    for start in stride(from: 0, to: bytes.count, by: 7) {
      let piece = Array(bytes[start..<min(start + 7, bytes.count)])
      guard case .go = sink.receive(piece.span.bytes) else {
        return .failure(HTTPError(.cancelled, "stopped", wasSent: true))
      }
    }
    return .success(head)
  }

  private struct Exchange: HTTPExchange {
    let onCancel: @Sendable () -> Void
    let onResume: @Sendable () -> Void
    init(onResume: @escaping @Sendable () -> Void = {}, _ onCancel: @escaping @Sendable () -> Void) {
      self.onCancel = onCancel
      self.onResume = onResume
    }
    func cancel() { onCancel() }
    func resume() { onResume() }
  }
}

/// Time that stands still until a wait is asked for, which is over at once and noted. Deadlines pass when told.
final class ManualRequestClock: RequestClock {
  private struct State {
    var now: UInt64 = 1_000_000_000
    var wall: Int64 = 1_700_000_000
    var waits: [Duration] = []
    var pending: [UInt64: (moment: Deadline, body: @Sendable () -> Void)] = [:]
    var nextID: UInt64 = 0
  }

  private let state = Mutex(State())
  /// Waits longer than this are deadlines: they are kept until ``passDeadlines()``.
  let longestWait: Duration

  init(longestWait: Duration = .seconds(30)) { self.longestWait = longestWait }

  var now: Deadline { Deadline(nanoseconds: state.withLock { $0.now }) }
  var wallSeconds: Int64 { state.withLock { $0.wall } }
  /// The waits between attempts so far.
  var waits: [Duration] { state.withLock { $0.waits } }

  func schedule(_ moment: Deadline, _ body: @escaping @Sendable () -> Void) -> UInt64 {
    let (id, isOver) = state.withLock { state in
      state.nextID += 1
      let wait = moment.remaining(at: Deadline(nanoseconds: state.now))
      if wait > longestWait {
        state.pending[state.nextID] = (moment, body)
        return (state.nextID, false)
      }
      state.waits.append(wait)
      state.now = max(state.now, moment.nanoseconds)
      return (state.nextID, true)
    }
    if isOver { body() }
    return id
  }

  func cancel(_ id: UInt64) { state.withLock { _ = $0.pending.removeValue(forKey: id) } }

  func passDeadlines() {
    let bodies = state.withLock { state in
      defer { state.pending = [:] }
      return state.pending.values.map(\.body)
    }
    for body in bodies { body() }
  }

  /// Time passes, and nobody is told.
  func advance(by time: Duration) {
    state.withLock { $0.now = Deadline(nanoseconds: $0.now).advanced(by: time).nanoseconds }
  }

  func advanceWall(by seconds: Int64) { state.withLock { $0.wall += seconds } }
}

/// A client of a scripted server.
struct ScriptedStore {
  let transport: ScriptedTransport
  let clock = ManualRequestClock()
  let client: ObjectStoreClient
  static let pair = ObjectStoreCredentials(accessKeyID: "canary-key-id-0001", secretKey: "canary-secret-key-0001")

  init(
    _ steps: [ScriptedTransport.Step], path: String = "s3://bucket/prefix", address: String? = "https://store.example",
    region: String? = nil, source: any CredentialSource = GivenCredentials(ScriptedStore.pair)
  ) throws {
    transport = ScriptedTransport(steps)
    var properties = ObjectStoreProperties()
    properties.address = try address.map { try ObjectStoreAddress(parsing: $0) }
    properties.region = region
    client = ObjectStoreClient(
      Endpoint(try UnderFileSystemURI(parsing: path), properties), transport: transport,
      credentials: CredentialStore(source, clock: clock), clock: clock, log: Logger(label: "test"))
  }

  var deadline: Deadline { clock.now.advanced(by: .seconds(600)) }

  /// The error of a request, which must fail.
  func failure<Value>(_ request: ObjectRequest<Value>) -> ObjectStoreError? {
    do throws(ObjectStoreError) {
      _ = try client.perform(request, by: deadline)
      return nil
    } catch {
      return error
    }
  }
}

/// Keeps what it is given, and checks that there is no gap.
final class KeptContent: ObjectContentSink {
  private let state = Mutex((bytes: [UInt8](), start: UInt64?.none, hasGap: false))

  var text: String { String(decoding: state.withLock { $0.bytes }, as: UTF8.self) }
  var bytes: [UInt8] { state.withLock { $0.bytes } }
  var hasGap: Bool { state.withLock { $0.hasGap } }

  func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception {
    let copy = bytes.bytes
    return state.withLock { state in
      let start = state.start ?? offset
      state.start = start
      if offset != start + UInt64(state.bytes.count) { state.hasGap = true }
      state.bytes += copy
      return .go
    }
  }
}
