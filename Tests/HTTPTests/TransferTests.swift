import HTTP
import LinuxSystem
import ObjectStoreServers
import Synchronization
import SystemPackage
import Testing

@Suite("Requests and answers")
struct TransferTests {
  let server: ServerProcess
  let client: HTTPClient

  init() throws {
    server = try .sharedEcho()
    client = try HTTPClient()
  }

  /// What the server saw of a request, as JSON.
  private func echo(_ request: HTTPRequest) async throws -> String {
    String(decoding: try await client.response(to: request, bodyLimit: 1 << 20).body, as: UTF8.self)
  }

  @Test("a request comes as it was written")
  func request() async throws {
    let target = "/a%2Fb/../c//d+e/%7Etilde%c3%A9/(x)'!*?b=2&a=1%20%2F&list-type=2&empty="
    var request = HTTPRequest(method: "DELETE", url: server.url + target)
    request.fields = [
      HTTPField("X-Amz-Date", "20260101T000000Z"), HTTPField("Authorization", "AWS4 a=b,c"), HTTPField("X-Empty", ""),
    ]
    let text = try await echo(request)
    #expect(text.contains(#""target": "\#(target)""#))
    #expect(text.contains(#""method": "DELETE""#))
    #expect(text.contains(#"["X-Amz-Date", "20260101T000000Z"], ["Authorization", "AWS4 a=b,c"], ["X-Empty", ""]"#))
    #expect(text.contains(#"["Host", "127.0.0.1:\#(server.port)"]"#))
    for absent in ["Expect", "Cookie", "Accept-Encoding", "Content-Type", "Content-Length"] {
      #expect(!text.contains(absent))
    }
  }

  @Test("a blocking caller gets the whole answer")
  func blocking() throws {
    let response = try client.perform(HTTPRequest(url: "\(server.url)/bytes/1000000"), bodyLimit: 1_000_000)
    #expect(response.head.status == 200)
    #expect(response.head.version == "1.1")
    #expect(response.head["etag"] == "\"pattern\"")
    #expect(response.head.contentLength == 1_000_000)
    #expect(response.body == pattern(0..<1_000_000))
  }

  @Test("a part of an object")
  func range() async throws {
    var request = HTTPRequest(url: "\(server.url)/bytes/1000000")
    request.fields = [HTTPField("Range", "bytes=1000-400999")]
    let response = try await client.response(to: request, bodyLimit: 400_000)
    #expect(response.head.status == 206)
    #expect(response.body == pattern(1000..<401_000))
  }

  @Test("a body without a length")
  func chunked() async throws {
    let response = try await client.get("\(server.url)/chunked/123456")
    #expect(response.head.contentLength == nil)
    #expect(response.body == pattern(0..<123_456))
  }

  @Test("HEAD has the length of a body that does not come")
  func head() async throws {
    let request = HTTPRequest(method: "HEAD", url: "\(server.url)/bytes/1000000")
    let response = try await client.response(to: request, bodyLimit: 0)
    #expect(response.head.contentLength == 1_000_000)
    #expect(response.body.isEmpty)
  }

  @Test("an answer of 404 or 503 is an answer, with its body", arguments: [404, 503])
  func refusal(status: Int) async throws {
    let response = try await client.get("\(server.url)/status/\(status)")
    #expect(response.head.status == status)
    #expect(String(decoding: response.body, as: UTF8.self) == "as you wish")
  }

  @Test("interim answers are left out")
  func interim() async throws {
    let sink = RecordingSink()
    let result = try await client.begin(HTTPRequest(url: "\(server.url)/interim"), sink: sink).result.get()
    #expect(try result.get().status == 200)
    #expect(sink.state.withLock { $0.heads.map(\.status) } == [200])
    #expect(try result.get()["link"] == nil)
  }

  @Test("a redirect is an answer and not followed")
  func redirect() async throws {
    let proxy = try FaultProxy(before: server)
    try proxy.inject(.redirect(307, to: "\(server.url)/elsewhere"))
    let response = try await client.get("\(proxy.url)/here")
    #expect(response.head.status == 307)
    #expect(response.head["Location"] == "\(server.url)/elsewhere")
  }

  @Test("an upload without a body says that its length is 0", arguments: ["PUT", "POST"])
  func emptyUpload(method: String) async throws {
    let text = try await echo(HTTPRequest(method: method, url: "\(server.url)/x"))
    #expect(text.contains(#"["Content-Length", "0"]"#))
    #expect(!text.contains("Transfer-Encoding"))
  }

  @Test("an upload of bytes", arguments: ["PUT", "POST"])
  func upload(method: String) async throws {
    let request = HTTPRequest(method: method, url: "\(server.url)/x", body: .bytes(pattern(0..<3_000_000)))
    let text = try await echo(request)
    #expect(text.contains(#""length": 3000000, "sha256": "\#(PatternSource.digestOf3MB)""#))
  }

  @Test("an upload from a source that gives less than it is asked for")
  func source() async throws {
    let source = PatternSource(length: 3_000_000, step: 1000)
    let request = HTTPRequest(method: "PUT", url: "\(server.url)/x", body: .source(source))
    let text = try await echo(request)
    #expect(text.contains(#""length": 3000000, "sha256": "\#(PatternSource.digestOf3MB)""#))
    #expect(text.contains(#"["Content-Length", "3000000"]"#))
  }

  @Test("a source that fails or ends early fails the request", arguments: [Errno.ioError, nil])
  func brokenSource(errno: Errno?) async throws {
    let source = PatternSource(length: 3_000_000, step: 65_536, failure: (500_000, errno))
    let request = HTTPRequest(method: "PUT", url: "\(server.url)/x", body: .source(source))
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 4096) }
    #expect(error?.kind == .source)
    #expect(error?.wasSent == true)
  }

  @Test("a source is read again from its start when the request is sent again")
  func sentAgain() async throws {
    let proxy = try FaultProxy(before: server)
    try proxy.inject(.error(503, "SlowDown").on(method: "PUT"))
    try proxy.inject(.reset(after: nil).on(method: "PUT", nth: 1))
    let source = PatternSource(length: 3_000_000, step: 300_000)
    let request = HTTPRequest(method: "PUT", url: "\(proxy.url)/x", body: .source(source), mayBeResent: false)
    #expect(try await client.response(to: request, bodyLimit: 4096).head.status == 503)
    await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 4096) }
    #expect(try await client.response(to: request, bodyLimit: 4096).head.status == 200)
    #expect(try proxy.log().requests.map(\.length) == [3_000_000, 3_000_000, 3_000_000])
  }

  @Test("an answer that comes before the body was sent ends the upload")
  func earlyAnswer() async throws {
    let proxy = try FaultProxy(before: server)
    try proxy.inject(Fault("respond") { ($0.early, $0.status) = (true, 403) })
    let source = PatternSource(length: 64 << 20, step: 65_536)
    var request = HTTPRequest(method: "PUT", url: "\(proxy.url)/x", body: .source(source))
    request.fields = [HTTPField("Expect", "100-continue")]
    #expect(try await client.response(to: request, bodyLimit: 4096).head.status == 403)
    #expect(source.bytesRead.load(ordering: .relaxed) < 64 << 20)
  }

  @Test("content is not decoded")
  func encoded() async throws {
    let proxy = try FaultProxy(before: server)
    let fault = Fault("respond") { ($0.status, $0.body, $0.headers) = (200, "not gzip", ["Content-Encoding": "gzip"]) }
    try proxy.inject(fault)
    let response = try await client.get("\(proxy.url)/x")
    #expect(String(decoding: response.body, as: UTF8.self) == "not gzip")
  }

  @Test(
    "what would be two fields, or no URL of HTTP, is refused before it is sent",
    arguments: [
      HTTPRequest(url: "ftp://127.0.0.1/"), HTTPRequest(url: "http://127.0.0.1/a b"), HTTPRequest(url: "http:///x"),
      HTTPRequest(url: "http://127.0.0.1/ü"), HTTPRequest(url: "file:///etc/passwd"), HTTPRequest(url: ""),
      HTTPRequest(method: "GET /x HTTP/1.1\r\nA:", url: "http://127.0.0.1/"),
      HTTPRequest(url: "http://127.0.0.1/", fields: [HTTPField("A", "b\r\nHost: other")]),
      HTTPRequest(url: "http://127.0.0.1/", fields: [HTTPField("A: b\r\nC", "d")]),
      HTTPRequest(url: "http://127.0.0.1/", fields: [HTTPField("A", "b\0c")]),
    ])
  func invalid(request: HTTPRequest) async {
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 4096) }
    #expect(error?.kind == .invalid)
    #expect(error?.wasSent == false)
  }
}

/// echo_server.py's pattern, read in pieces.
final class PatternSource: HTTPBodySource {
  static let digestOf3MB = "4d3870d4655ed773027a713ea136507d22e076248e0e9cc920a996039653b76f"
  let length: UInt64
  let bytesRead = Atomic<UInt64>(0)
  private let step: Int
  private let failure: (offset: UInt64, errno: Errno?)?

  /// - Parameters:
  ///   - step: the most that it gives at once.
  ///   - failure: from where on it fails, or ends when there is no error.
  init(length: UInt64, step: Int, failure: (offset: UInt64, errno: Errno?)? = nil) {
    self.length = length
    self.step = step
    self.failure = failure
  }

  func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(Errno) -> Int {
    if let failure, offset >= failure.offset {
      guard let errno = failure.errno else { return 0 }
      throw errno
    }
    let count = min(step, buffer.byteCount)
    for index in 0..<count {
      buffer.storeBytes(of: UInt8((offset + UInt64(index)) % 251), toByteOffset: index, as: UInt8.self)
    }
    bytesRead.add(UInt64(count), ordering: .relaxed)
    return count
  }
}
