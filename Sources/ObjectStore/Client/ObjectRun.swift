import HTTP
import LinuxSystem
import Logging
import Synchronization
import VolumeModel

/// One request from its start to its completion, through all attempts.
final class ObjectRun<Value: Sendable>: Sendable {
  /// What the answer's bytes go to.
  private enum Reader {
    case none
    case value(any ReplyReader<Value>)
    case error(XMLReader<ReplyDocument>)
  }

  private struct State {
    var retry: RetryState
    var isFinished = false
    /// Raised with each attempt, so that nothing of an earlier one is taken.
    var generation = 0
    var exchange: (any HTTPExchange)?
    /// The last attempt that has ended; it may do so before its exchange is known here.
    var ended = 0
    /// Somebody resumed before the exchange was known here.
    var isResumed = false
    var head: HTTPResponseHead?
    var reader = Reader.none
    var problem: ReplyProblem?
    var credentials: ObjectStoreCredentials?
    var started = Deadline(nanoseconds: 0)
    var received: UInt64 = 0
    var timer: UInt64?
    var limit: UInt64?
  }

  private let request: ObjectRequest<Value>
  private let client: ObjectStoreClient
  private let deadline: Deadline
  private let candidate: ObjectStoreCredentials?
  private let completion: @Sendable (Result<Value, ObjectStoreError>) -> Void
  private let state: Mutex<State>

  init(
    _ request: ObjectRequest<Value>, of client: ObjectStoreClient, by deadline: Deadline,
    with candidate: ObjectStoreCredentials?,
    completion: @escaping @Sendable (Result<Value, ObjectStoreError>) -> Void
  ) {
    self.request = request
    self.client = client
    self.deadline = deadline
    self.candidate = candidate
    self.completion = completion
    state = Mutex(State(retry: RetryState(client.settings.policy)))
  }

  func start() {
    if deadline != .never {
      let limit = client.clock.schedule(deadline) { [self] in giveUp(.deadlineExceeded, Self.lateMessage) }
      let isLate = state.withLock { state in
        state.limit = limit
        return state.isFinished
      }
      if isLate { client.clock.cancel(limit) }
    }
    begin()
  }

  private static var lateMessage: String { "nothing by its deadline" }

  func cancel() { giveUp(.cancelled, "it was cancelled") }

  func resume() {
    let exchange = state.withLock { state in
      state.isResumed = state.exchange == nil
      return state.exchange
    }
    exchange?.resume()
  }

  private func giveUp(_ kind: ObjectStoreError.Kind, _ message: String) {
    var error = client.failure(kind, request.operation, message)
    let exchange = state.withLock { state in
      // What is under way may arrive yet.
      error.mayHaveHappened = state.retry.mayHaveHappened || state.exchange != nil
      return state.exchange
    }
    finish(.failure(error))
    exchange?.cancel()
  }

  // MARK: One attempt

  private func begin() {
    if let candidate { return send(candidate) }
    client.credentials.current { [self] answer in
      switch answer {
      case .success(let credentials): send(credentials)
      case .failure(let error): finish(.failure(client.failure(.noCredentials, request.operation, "\(error)")))
      }
    }
  }

  private func send(_ credentials: ObjectStoreCredentials?) {
    var timeouts = client.settings.timeouts
    if deadline != .never {
      let remaining = deadline.remaining(at: client.clock.now)
      timeouts.total = min(timeouts.total ?? remaining, max(remaining, .milliseconds(1)))
    }
    let message: HTTPRequest
    do throws(ObjectStoreError) {
      message = try client.signed(request, by: credentials, timeouts: timeouts)
    } catch {
      return finish(.failure(error))
    }
    let now = client.clock.now
    let generation: Int? = state.withLock { state in
      guard !state.isFinished else { return nil }
      state.retry.begin()
      state.generation += 1
      state.exchange = nil
      state.isResumed = false
      state.head = nil
      state.reader = .none
      state.problem = nil
      state.received = 0
      state.credentials = credentials
      state.started = now
      return state.generation
    }
    guard let generation else { return }
    let sink = AttemptSink(
      head: { [self] in take($0, of: generation) }, bytes: { [self] in take($0, of: generation) })
    let exchange = client.transport.begin(message, sink: sink) { [self] in ended($0, generation) }
    let (isLate, isResumed) = state.withLock { state in
      if state.ended != generation, !state.isFinished { state.exchange = exchange }
      defer { state.isResumed = false }
      return (state.isFinished, state.isResumed)
    }
    if isLate { exchange.cancel() }
    if isResumed { exchange.resume() }
  }

  private func take(_ head: HTTPResponseHead, of generation: Int) -> HTTPReception {
    state.withLock { state in
      guard state.generation == generation, !state.isFinished else { return .stop }
      state.head = head
      guard (200...299).contains(head.status) else {
        state.reader = .error(XMLReader(ReplyDocument(), limit: 64 << 10))
        return .go
      }
      do throws(ReplyProblem) {
        state.reader = .value(try request.reader(head))
        return .go
      } catch {
        state.problem = error
        return .stop
      }
    }
  }

  private func take(_ bytes: RawSpan, of generation: Int) -> HTTPReception {
    let count = bytes.byteCount
    return state.withLock { state in
      guard state.generation == generation, !state.isFinished else { return .stop }
      state.received += UInt64(count)
      do throws(ReplyProblem) {
        return try Self.feed(&state.reader, bytes)
      } catch {
        state.problem = error
        return .stop
      }
    }
  }

  private static func feed(_ reader: inout Reader, _ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception {
    switch reader {
    case .none: return .go
    case .value(var value):
      reader = .none
      defer { reader = .value(value) }
      return try value.receive(bytes)
    case .error(var document):
      // What is no XML is an error by its status alone: a proxy's page.
      do throws(XMLProblem) {
        try document.feed(bytes)
        reader = .error(document)
      } catch {
        reader = .none
      }
      return .go
    }
  }

  // MARK: Its end

  private func ended(_ result: Result<HTTPResponseHead, HTTPError>, _ generation: Int) {
    let now = client.clock.now
    let outcome: Result<Value, ObjectStoreError>? = state.withLock { state in
      guard state.generation == generation else { return nil }
      let outcome = self.outcome(of: result, &state)
      count(outcome, state, now)
      state.exchange = nil
      state.ended = generation
      return state.isFinished ? nil : outcome
    }
    switch outcome {
    case nil: return
    case .success(let value): finish(.success(value))
    case .failure(let error): failed(error)
    }
  }

  private func outcome(
    of result: Result<HTTPResponseHead, HTTPError>, _ state: inout State
  ) -> Result<Value, ObjectStoreError> {
    if let value = request.salvage() { return .success(value) }
    if let problem = state.problem { return .failure(error(of: problem, state)) }
    switch result {
    case .failure(let failure): return .failure(error(of: failure, state))
    case .success(let head) where !(200...299).contains(head.status):
      return .failure(error(of: head, &state))
    case .success:
      guard case .value(var reader) = state.reader else {
        return .failure(error(of: ReplyProblem.malformed("no answer"), state))
      }
      do throws(ReplyProblem) {
        return .success(try reader.finish())
      } catch {
        return .failure(self.error(of: error, state))
      }
    }
  }

  private func count(_ outcome: Result<Value, ObjectStoreError>, _ state: State, _ now: Deadline) {
    let name: String
    if case .failure(let error) = outcome, state.head == nil || (200...299).contains(state.head?.status ?? 0) {
      name = "\(error.kind)"
    } else {
      name = state.head.map { "\($0.status)" } ?? "none"
    }
    let sent: UInt64 =
      switch request.body {
      case .none: 0
      case .bytes(let bytes): UInt64(bytes.count)
      case .source(let source): source.length
      }
    client.statistics.add(
      RequestStatistics.Attempt(
        operation: request.operation, isRetry: state.retry.attempts > 1, outcome: name,
        nanoseconds: now.nanoseconds - min(now.nanoseconds, state.started.nanoseconds), received: state.received,
        sent: sent))
  }

  private func failed(_ error: ObjectStoreError) {
    let hasProgressed = request.hasProgressed()
    let random = Double.random(in: 0...1)
    let now = client.clock.now
    let (step, used): (RetryState.Step, ObjectStoreCredentials?) = state.withLock { state in
      if hasProgressed { state.retry.progressed() }
      let step = state.retry.next(
        after: error, isRepeatable: request.isRepeatable, now: now, deadline: deadline, random: random)
      return (step, state.credentials)
    }
    if step != .fail { client.log.debug("trying again", metadata: ["error": "\(error)", "step": "\(step)"]) }
    switch step {
    case .fail: conclude(error)
    case .wait(let time): wait(time)
    case .resign:
      if let ahead = error.clockAhead { client.learn(clockOffset: -ahead) }
      begin()
    case .move(let region):
      // Another request may have learned it meanwhile: then this one goes there, too.
      if client.learn(region: region) {
        client.log.notice("the bucket is in another region", metadata: ["region": "\(region)"])
      }
      begin()
    case .refresh:
      // Credentials on trial are judged as they are.
      guard candidate == nil else { return conclude(error) }
      client.credentials.refused(used)
      begin()
    }
  }

  private func wait(_ time: Duration) {
    let timer = client.clock.schedule(client.clock.now.advanced(by: time)) { [self] in begin() }
    let isLate = state.withLock { state in
      state.timer = timer
      return state.isFinished
    }
    if isLate { client.clock.cancel(timer) }
  }

  /// The last error; where an attempt was lost on the way it may have been done all the same, and somebody can tell.
  private func conclude(_ error: ObjectStoreError) {
    let (attempts, mayHaveHappened) = state.withLock { ($0.retry.attempts, $0.retry.mayHaveHappened) }
    var last = error
    last.attempts = attempts
    last.mayHaveHappened = mayHaveHappened || error.mayHaveHappened
    guard mayHaveHappened, let inquiry = request.inquiry(last) else { return finish(.failure(last)) }
    let final = last
    client.start(inquiry, by: deadline, with: candidate) { [self] result in
      switch result {
      case .success(let value): finish(.success(value))
      case .failure: finish(.failure(final))
      }
    }
  }

  private func finish(_ result: Result<Value, ObjectStoreError>) {
    let (isFirst, timers) = state.withLock { state in
      defer { state.isFinished = true }
      return (!state.isFinished, [state.timer, state.limit].compactMap { $0 })
    }
    guard isFirst else { return }
    for timer in timers { client.clock.cancel(timer) }
    completion(result)
  }
}

extension ObjectRun {
  // MARK: Errors

  private func error(of failure: HTTPError, _ state: State) -> ObjectStoreError {
    // An attempt has what is left until the deadline: its end is this request's, whichever clock is the first to tell.
    let isLate = failure.kind == .timeout(.total) && client.clock.now >= deadline
    let kind: ObjectStoreError.Kind =
      switch failure.kind {
      case .resolve, .connect: .unreachable
      case .tls: .tls
      case .timeout: isLate ? .deadlineExceeded : .timeout
      case .reset, .truncated: .connectionLost
      case .protocol, .tooLarge: .malformedReply
      case .cancelled: .cancelled
      case .invalid, .source: .invalidRequest
      case .library, .other: .other
      }
    let message = isLate ? Self.lateMessage : ObjectStoreError.clean(failure.message)
    var error = client.failure(kind, request.operation, message)
    error.mayHaveHappened = failure.wasSent
    describe(&error, state)
    return error
  }

  private func error(of problem: ReplyProblem, _ state: State) -> ObjectStoreError {
    var error: ObjectStoreError
    switch problem {
    case .malformed(let what):
      error = client.failure(.malformedReply, request.operation, "the answer is not one: \(what)")
      error.mayHaveHappened = true
    case .otherVersion: error = client.failure(.preconditionFailed, request.operation, "the object was replaced")
    case .refused(let kind, let message): error = client.failure(kind, request.operation, message)
    case .failed(let reply): error = self.error(of: reply, status: 200, state)
    }
    describe(&error, state)
    return error
  }

  private func error(of head: HTTPResponseHead, _ state: inout State) -> ObjectStoreError {
    var reply: ErrorReply?
    if case .error(var document) = state.reader { reply = (try? document.finish()).flatMap(ErrorReply.init) }
    return error(of: reply, status: head.status, state)
  }

  private func error(of reply: ErrorReply?, status: Int, _ state: State) -> ObjectStoreError {
    let isBucket = request.key == nil
    var kind = ObjectStoreError.Kind(status: status, code: reply?.code, isBucket: isBucket)
    if status == 200, reply.map({ kind == .malformedReply && !$0.code.isEmpty }) == true { kind = .other }
    let message = ObjectStoreError.clean(
      reply?.message ?? "the service answered \(status)", hiding: state.credentials)
    var error = client.failure(kind, request.operation, message)
    error.status = status
    error.code = reply.map { ObjectStoreError.clean($0.code, longest: 60, hiding: state.credentials) }
    error.requestID = reply?.requestID.map { ObjectStoreError.clean($0, longest: 80) }
    error.hostID = reply?.hostID.map { ObjectStoreError.clean($0, longest: 100) }
    error.region = reply?.region
    // A gateway's word says nothing about what the service behind it did.
    error.mayHaveHappened = kind == .server || kind == .timeout || kind == .connectionLost
    describe(&error, state)
    // HEAD has no error document. S3 refuses what was signed by a clock that is off by more than 15 minutes.
    if status == 403, reply == nil, let ahead = error.clockAhead, abs(ahead) > 900 { error.kind = .clockSkew }
    // Another region than the one that was signed for says what 400 and 403 do not.
    if [301, 307, 400, 403].contains(status), let region = error.region, region != client.endpoint.region,
      reply == nil || kind == .wrongRegion || kind == .invalidRequest
    {
      error.kind = .wrongRegion
    }
    return error
  }

  /// What the head of an answer says about its error.
  private func describe(_ error: inout ObjectStoreError, _ state: State) {
    error.attempts = state.retry.attempts
    guard let head = state.head else { return }
    error.status = error.status ?? head.status
    let ids = head["x-amz-request-id"] ?? head["x-oss-request-id"]
    error.requestID = error.requestID ?? ids.map { ObjectStoreError.clean($0, longest: 80) }
    error.hostID = error.hostID ?? head["x-amz-id-2"].map { ObjectStoreError.clean($0, longest: 100) }
    if error.region == nil { error.region = head["x-amz-bucket-region"] }
    guard let time = head["Date"].flatMap(UTCTime.init(httpDate:)) else { return }
    error.serverTime = time
    error.clockAhead = client.clock.wallSeconds - time.seconds
    error.retryAfter = head["Retry-After"].flatMap { RetryAfter.duration($0, at: time) }
  }
}

/// Hands what one attempt receives to its request.
private final class AttemptSink: HTTPBodySink {
  private let onHead: @Sendable (HTTPResponseHead) -> HTTPReception
  private let onBytes: @Sendable (RawSpan) -> HTTPReception

  init(
    head: @escaping @Sendable (HTTPResponseHead) -> HTTPReception,
    bytes: @escaping @Sendable (RawSpan) -> HTTPReception
  ) {
    (onHead, onBytes) = (head, bytes)
  }

  func receive(head: HTTPResponseHead) -> HTTPReception { onHead(head) }
  func receive(_ bytes: RawSpan) -> HTTPReception { onBytes(bytes) }
}
