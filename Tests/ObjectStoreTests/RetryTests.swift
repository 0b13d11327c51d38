import HTTP
import LinuxSystem
@testable import ObjectStore
import Synchronization
import SystemPackage
import Testing
import VolumeModel

@Suite("Attempts of a request")
struct RetryTests {
  static let page = page(below: "")
  static func page(below prefix: String) -> String {
    "<ListBucketResult><Contents><Key>\(prefix)a</Key><Size>1</Size></Contents></ListBucketResult>"
  }

  private static func error(_ code: String, _ rest: String = "") -> String {
    "<Error><Code>\(code)</Code><Message>words</Message>\(rest)<RequestId>R1</RequestId></Error>"
  }

  @Test(
    "what passes is tried again, and then it works",
    arguments: [
      ScriptedTransport.Step.reply(500), .reply(502, [:], "<html>"), .reply(503, [:], error("SlowDown")), .reply(504),
      .reply(429), .failure(.reset), .failure(.connect, wasSent: false), .failure(.resolve, wasSent: false),
      .failure(.timeout(.response)), .failure(.truncated), .reply(200, [:], "<garbage"), .reply(200, [:], "no XML"),
      .reply(200, [:], "<ListBucketResult>"), .reply(400, [:], error("RequestTimeout")),
    ])
  func passing(step: ScriptedTransport.Step) throws {
    let store = try ScriptedStore([step, step, .reply(200, [:], Self.page)])
    let page = try store.client.perform(.list(), by: store.deadline)
    #expect(page.objects.map(\.key) == ["a"])
    #expect(store.transport.requests.count == 3)
    #expect(store.clock.waits.count == 2)
  }

  @Test(
    "what stays wrong is asked once",
    arguments: [
      (403, "AccessDenied", ObjectStoreError.Kind.accessDenied), (404, "NoSuchBucket", .noSuchBucket),
      (403, "SignatureDoesNotMatch", .badSignature), (400, "InvalidArgument", .invalidRequest),
      (501, "NotImplemented", .unsupported), (403, "InvalidObjectState", .archived),
    ])
  func lasting(status: Int, code: String, kind: ObjectStoreError.Kind) throws {
    let store = try ScriptedStore([.reply(status, ["x-amz-id-2": "H1"], Self.error(code))])
    let error = try #require(store.failure(.list()))
    #expect(error.kind == kind)
    #expect(error.code == code)
    #expect(error.status == status)
    #expect(error.requestID == "R1")
    #expect(error.hostID == "H1")
    #expect(error.attempts == 1)
    #expect(store.transport.requests.count == 1)
  }

  @Test("attempts end, waits grow to their limit, and the last error tells how many there were")
  func exhausted() throws {
    let store = try ScriptedStore(Array(repeating: .reply(500, ["x-oss-request-id": "O1"]), count: 20))
    let error = try #require(store.failure(.list()))
    #expect(error.kind == .server)
    #expect(error.attempts == 8)
    #expect(error.requestID == "O1")
    #expect(error.description.contains("request id O1"))
    #expect(store.clock.waits.count == 7)
    #expect(store.clock.waits.allSatisfy { $0 <= .seconds(10) })
  }

  @Test("the wait is random below a ceiling that doubles, and what the service asks for comes on top")
  func backoff() {
    let policy = RetryPolicy(attempts: 5, firstWait: .milliseconds(100), longestWait: .seconds(1))
    var state = RetryState(policy)
    let now = Deadline(nanoseconds: 0)
    var error = ObjectStoreError(.server, .list, message: "")
    func next(_ random: Double) -> RetryState.Step {
      state.next(after: error, isRepeatable: true, now: now, deadline: .never, random: random)
    }
    #expect(next(1) == .wait(.milliseconds(100)))
    #expect(next(0.5) == .wait(.milliseconds(100)))
    #expect(next(0) == .wait(.zero))
    error.retryAfter = .seconds(3)
    #expect(next(0) == .wait(.seconds(3)))
    #expect(next(0) == .fail)
    #expect(policy.ceiling(afterFailures: 4, kind: .server) == .milliseconds(800))
    #expect(policy.ceiling(afterFailures: 30, kind: .server) == .seconds(1))
    #expect(policy.ceiling(afterFailures: 1, kind: .slowDown) == .milliseconds(400))
  }

  @Test("a wait that would pass the deadline is not begun")
  func deadlineBeforeWait() {
    var state = RetryState(RetryPolicy())
    var error = ObjectStoreError(.slowDown, .list, message: "")
    error.retryAfter = .seconds(60)
    let deadline = Deadline(nanoseconds: 30_000_000_000)
    let step = state.next(
      after: error, isRepeatable: true, now: Deadline(nanoseconds: 0), deadline: deadline, random: 0)
    #expect(step == .fail)
  }

  @Test("what may have been done and must not be done twice is not repeated")
  func notRepeatable() {
    var state = RetryState(RetryPolicy())
    var error = ObjectStoreError(.connectionLost, .put, message: "")
    error.mayHaveHappened = true
    let now = Deadline(nanoseconds: 0)
    #expect(state.next(after: error, isRepeatable: false, now: now, deadline: .never, random: 0) == .fail)
    error.mayHaveHappened = false
    #expect(state.next(after: error, isRepeatable: false, now: now, deadline: .never, random: 0) == .wait(.zero))
  }

  @Test("Retry-After is read as seconds and as a date")
  func retryAfter() {
    let now = UTCTime(seconds: 1_369_353_600)
    #expect(RetryAfter.duration("120", at: now) == .seconds(120))
    #expect(RetryAfter.duration("999999999", at: now) == .seconds(3600))
    #expect(RetryAfter.duration("Fri, 24 May 2013 00:00:07 GMT", at: now) == .seconds(7))
    #expect(RetryAfter.duration("Fri, 24 May 2012 00:00:07 GMT", at: now) == .zero)
    for bad in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
      #expect(RetryAfter.duration(bad, at: now) == nil || bad.isEmpty)
    }
  }

  @Test("a clock that is wrong is corrected by the service's, once, and stays corrected")
  func skew() throws {
    let date = UTCTime(seconds: 1_700_000_000 - 3_600)
    let refusal = ScriptedTransport.Step.reply(403, ["Date": date.httpDate], Self.error("RequestTimeTooSkewed"))
    let store = try ScriptedStore([refusal, .reply(200, [:], Self.page), .reply(200, [:], Self.page)])
    _ = try store.client.perform(.list(), by: store.deadline)
    _ = try store.client.perform(.list(), by: store.deadline)
    #expect(store.transport.field("x-amz-date", of: 0) == UTCTime(seconds: 1_700_000_000).basic)
    #expect(store.transport.field("x-amz-date", of: 1) == date.basic)
    #expect(store.transport.field("x-amz-date", of: 2) == date.basic)
    #expect(store.client.clockOffset == -3_600)
    let stubborn = try ScriptedStore([refusal, refusal, refusal])
    let error = try #require(stubborn.failure(.list()))
    #expect(error.kind == .clockSkew)
    #expect(stubborn.transport.requests.count == 2)
  }

  @Test(
    "a bucket of another region is found there, by any of the ways in which services say so, and only once",
    arguments: [
      ScriptedTransport.Step.reply(301, ["x-amz-bucket-region": "eu-west-1"]),
      .reply(
        301, ["x-amz-bucket-region": "eu-west-1"], error("PermanentRedirect", "<Endpoint>evil.example</Endpoint>")),
      .reply(400, [:], error("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
      .reply(307, ["x-amz-bucket-region": "eu-west-1", "Location": "https://evil.example/"]),
      .reply(400, ["x-amz-bucket-region": "eu-west-1"]),
    ])
  func region(step: ScriptedTransport.Step) throws {
    let store = try ScriptedStore([step, .reply(200, [:], Self.page), .reply(200, [:], Self.page)], address: nil)
    _ = try store.client.perform(.list(), by: store.deadline)
    _ = try store.client.perform(.list(), by: store.deadline)
    let hosts = store.transport.requests.map { String($0.url.dropFirst(8).prefix { $0 != "/" }) }
    let right = "bucket.s3.eu-west-1.amazonaws.com"
    #expect(hosts == ["bucket.s3.us-east-1.amazonaws.com", right, right])
    #expect(store.transport.field("Authorization", of: 1)?.contains("/eu-west-1/s3/aws4_request") == true)
    let loop = try ScriptedStore([step, step, step, step], address: nil)
    #expect(loop.failure(.list()) != nil)
    #expect(loop.transport.requests.count == 2)
  }

  @Test("a request that gets nothing ends at its deadline, and what is under way is cancelled")
  func deadline() throws {
    let store = try ScriptedStore([.silence])
    let outcome = Outcome<ListPage>()
    store.client.start(.list(), by: store.deadline) { outcome.set($0) }
    store.transport.wait { requests, _ in requests == 1 }
    #expect(outcome.value == nil)
    store.clock.passDeadlines()
    guard case .failure(let error)? = outcome.value else {
      Issue.record("no error")
      return
    }
    #expect(error.kind == .deadlineExceeded)
    store.transport.wait { _, cancelled in cancelled == 1 }
    #expect(outcome.count == 1)
  }

  @Test("an attempt whose time ends with the request's is a deadline that passed, whoever tells first")
  func lateAttempt() throws {
    let store = try ScriptedStore([])
    let clock = store.clock
    store.transport.append(.timeout { clock.advance(by: .seconds(600)) })
    let error = store.failure(.list())
    #expect(error?.kind == .deadlineExceeded)
    #expect(error?.message == "nothing by its deadline")
    // Its own time was shorter: it is tried again.
    store.transport.append(.timeout { clock.advance(by: .seconds(5)) })
    store.transport.append(.reply(403, [:], "<Error><Code>AccessDenied</Code></Error>"))
    #expect(store.failure(.list())?.kind == .accessDenied)
  }

  @Test("a request that is cancelled ends once, and at once")
  func cancelled() throws {
    let store = try ScriptedStore([.silence])
    let outcome = Outcome<ListPage>()
    let exchange = store.client.start(.list(), by: store.deadline) { outcome.set($0) }
    exchange.cancel()
    exchange.cancel()
    store.clock.passDeadlines()
    guard case .failure(let error)? = outcome.value else {
      Issue.record("no error")
      return
    }
    #expect(error.kind == .cancelled)
    #expect(outcome.count == 1)
  }

  @Test("every request is counted by its outcome, with bytes, retries and times")
  func counters() throws {
    let store = try ScriptedStore([
      .reply(503), .failure(.reset), .reply(200, [:], Self.page), .reply(404, [:], Self.error("NoSuchKey")),
    ])
    _ = try store.client.perform(.list(), by: store.deadline)
    _ = store.failure(.head("x"))
    let counts = store.client.statistics.current
    let list = try #require(counts.operations[.list])
    #expect(list.requests == 3)
    #expect(list.retries == 2)
    #expect(list.outcomes == ["503": 1, "connectionLost": 1, "200": 1])
    #expect(list.bytesReceived == UInt64(Self.page.utf8.count))
    #expect(list.latency.count == 3)
    #expect(counts.operations[.head]?.outcomes == ["404": 1])
    #expect(counts.requests == 4)
  }

  @Test("a histogram tells quantiles within an eighth")
  func histogram() throws {
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == nil)
    for milliseconds in 1...1000 { histogram.add(nanoseconds: UInt64(milliseconds) * 1_000_000) }
    let median = try #require(histogram.quantile(0.5))
    #expect(median >= .milliseconds(500) && median <= .milliseconds(570))
    let last = try #require(histogram.quantile(0.99))
    #expect(last >= .milliseconds(990) && last <= .milliseconds(1120))
    histogram.add(nanoseconds: .max)
    histogram.add(nanoseconds: 0)
    #expect(histogram.count == 1002)
  }
}

/// What a completion was called with, and how often.
final class Outcome<Value: Sendable>: Sendable {
  private let state = Mutex<(value: Result<Value, ObjectStoreError>?, count: Int)>((nil, 0))
  var value: Result<Value, ObjectStoreError>? { state.withLock { $0.value } }
  var count: Int { state.withLock { $0.count } }
  func set(_ value: Result<Value, ObjectStoreError>) {
    state.withLock { state in
      state.value = value
      state.count += 1
    }
  }
}
