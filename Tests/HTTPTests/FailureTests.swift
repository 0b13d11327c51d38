import HTTP
import ObjectStoreServers
import Testing

@Suite("Answers that fail", .serialized)
struct FailureTests {
  let server: ServerProcess
  let proxy: FaultProxy
  /// Of this suite, whose tests come one after the other.
  private static let proxy = Result { try FaultProxy(before: .sharedEcho()) }
  let client: HTTPClient

  init() throws {
    server = try .sharedEcho()
    proxy = try Self.proxy.get()
    try proxy.clear()
    client = try HTTPClient()
  }

  /// The error of a request that must fail, and that the fault was injected.
  private func failure(
    _ fault: Fault, path: String = "bytes/1000000", timeouts: HTTPTimeouts = HTTPTimeouts()
  ) async throws -> HTTPError {
    try proxy.inject(fault)
    let request = HTTPRequest(url: "\(proxy.url)/\(path)?secret=hidden", timeouts: timeouts)
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 1 << 20) }
    #expect(try proxy.injected().allSatisfy { $0 == 1 })
    let found = try #require(error)
    #expect(found.endpoint == "127.0.0.1:\(proxy.process.port)")
    #expect(!found.message.contains("hidden"))
    #expect(found.wasSent)
    return found
  }

  @Test("a body that ends early", arguments: [0, 500_000])
  func truncated(after bytes: Int) async throws {
    #expect(try await failure(.truncate(after: bytes)).kind == .truncated)
  }

  @Test("a body in pieces that ends early")
  func truncatedChunks() async throws {
    let fault = Fault("respond") {
      ($0.status, $0.body, $0.headers) = (200, "5\r\nhello", ["Transfer-Encoding": "chunked"])
      $0.early = true  // and so the connection ends
    }
    #expect([.truncated, .reset].contains(try await failure(fault).kind))
  }

  @Test("a connection that is reset before the head, or in the middle of the body", arguments: [nil, 500_000])
  func reset(after bytes: Int?) async throws {
    #expect(try await failure(.reset(after: bytes)).kind == .reset)
  }

  @Test("a length that is too large")
  func longLength() async throws {
    #expect(try await failure(.wrongLength(by: 10)).kind == .truncated)
  }

  @Test("a length that is too small gives what it says, and the connection is given up")
  func shortLength() async throws {
    try proxy.inject(.wrongLength(by: -10))
    #expect(try await client.get("\(proxy.url)/bytes/1000").body == pattern(0..<990))
    #expect(try await client.get("\(proxy.url)/bytes/1000").body == pattern(0..<1000))
  }

  @Test("an answer that comes twice is not taken for the next request's")
  func twice() async throws {
    try proxy.inject(.twice)
    #expect(try await client.get("\(proxy.url)/bytes/1000").body.count == 1000)
    #expect(try await client.get("\(proxy.url)/bytes/2000").body.count == 2000)
  }

  @Test("what is no HTTP")
  func noise() async throws {
    #expect(try await failure(.noise).kind == .protocol)
  }

  @Test("a server that does not answer")
  func noAnswer() async throws {
    let error = try await failure(.stall(until: "never-again"), timeouts: HTTPTimeouts(response: .milliseconds(100)))
    #expect(error.kind == .timeout(.response))
    #expect(error.message == "127.0.0.1:\(proxy.process.port) did not answer within 0.1 seconds")
  }

  @Test("a body that stalls")
  func stalledBody() async throws {
    let timeouts = HTTPTimeouts(stall: .milliseconds(200))
    let error = try await failure(.stall(until: "never-again", after: 1000), timeouts: timeouts)
    #expect(error.kind == .timeout(.stall))
  }

  @Test("a body that drips does not stall, but takes too long in all")
  func drip() async throws {
    let timeouts = HTTPTimeouts(stall: .seconds(30), total: .milliseconds(500))
    let fault = Fault("drip") { ($0.seconds, $0.bytes) = (0.02, 1) }
    #expect(try await failure(fault, timeouts: timeouts).kind == .timeout(.total))
  }

  @Test("a body that drips arrives when nothing limits it")
  func patience() async throws {
    try proxy.inject(.drip(bytes: 100, until: "drop"))
    let sink = RecordingSink()
    let (_, result) = client.begin(HTTPRequest(url: "\(proxy.url)/bytes/1000"), sink: sink)
    for _ in 0..<10 { try proxy.release("drop") }
    #expect(try await result.get().get().status == 200)
    #expect(sink.bytes == pattern(0..<1000))
  }

  @Test("a server that takes no more of a body")
  func stalledUpload() async throws {
    try proxy.inject(Fault("stall") { ($0.early, $0.until) = (true, "never") })
    var request = HTTPRequest(method: "PUT", url: "\(proxy.url)/x")
    request.body = .source(PatternSource(length: 1 << 30, step: 65_536))
    request.timeouts.stall = .milliseconds(300)
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 4096) }
    #expect(error?.kind == .timeout(.stall))
  }

  @Test("a connection that nobody accepts")
  func noConnection() async throws {
    let full = try FullListener()
    var request = HTTPRequest(url: "http://127.0.0.1:\(full.port)/")
    request.timeouts.connect = .milliseconds(300)
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 1) }
    #expect(error?.kind == .timeout(.connect))
    #expect(error?.message == "no connection to 127.0.0.1:\(full.port) within 0.3 seconds")
    #expect(error?.wasSent == false)
  }
}

@Suite("A library that cannot be used")
struct LibraryTests {
  @Test("a library that is not there is an error that names the package")
  func missing() throws {
    var configuration = HTTPConfiguration()
    configuration.library = "libcurl-of-nobody.so.4"
    let error = #expect(throws: HTTPError.self) { try HTTPClient(configuration) }
    #expect(error?.kind == .library)
    #expect(error?.message.contains("install the package libcurl4") == true)
  }

  @Test("a library that is another one is an error that names the first function it lacks")
  func another() throws {
    var configuration = HTTPConfiguration()
    configuration.library = "libm.so.6"
    let error = #expect(throws: HTTPError.self) { try HTTPClient(configuration) }
    #expect(error?.kind == .library)
    #expect(error?.message.contains("has no function curl_") == true)
  }
}
