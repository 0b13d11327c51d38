import HTTP
import ObjectStoreServers
import TestSupport
import Testing

/// The servers that object stores are tested with: that they are what the tests take them for.
@Suite("Servers of tests")
struct ServerTests {
  private func ask(_ method: String, _ url: String, fields: [HTTPField] = [], body: String = "") throws -> HTTPResponse
  {
    let client = try HTTPClient()
    defer { client.shutdown() }
    let content: HTTPBody = body.isEmpty ? .none : .bytes(Array(body.utf8))
    return try client.perform(
      HTTPRequest(method: method, url: url, fields: fields, body: content), bodyLimit: 1 << 20)
  }

  @Test("rclone refuses a request without a signature")
  func rclone() async throws {
    let folder = try TemporaryDirectory("rclone")
    try folder.makeDirectory("bucket")
    let server = try ServerProcess.rclone(
      folder: folder.path, accessKey: "ACCESSKEYOFATEST0001", secretKey: "secretkeyofatest0001")
    let response = try ask("GET", "\(server.url)/bucket?list-type=2")
    #expect([400, 403].contains(response.head.status))
    #expect(String(decoding: response.body, as: UTF8.self).contains("<Code>"))
  }

  @Test("moto honours If-None-Match and keeps what it is given")
  func moto() async throws {
    let server = try ServerProcess.moto()
    let authorization = HTTPField(
      "Authorization",
      "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
    #expect(try ask("PUT", "\(server.url)/bucket", fields: [authorization]).head.status == 200)
    let exclusive = [authorization, HTTPField("If-None-Match", "*")]
    let url = "\(server.url)/bucket/dir/key"
    #expect(try ask("PUT", url, fields: exclusive, body: "content").head.status == 200)
    #expect(try ask("PUT", url, fields: exclusive, body: "other").head.status == 412)
    #expect(try ask("GET", url, fields: [authorization]).body == Array("content".utf8))
  }

  @Test("a server is gone when nobody has it any more")
  func end() async throws {
    var server: ServerProcess? = try .echo()
    let url = try #require(server?.url)
    #expect(try ask("GET", "\(url)/x").head.status == 200)
    server = nil
    let error = #expect(throws: HTTPError.self) { try ask("GET", "\(url)/x") }
    #expect(error?.kind == .connect)
  }

  @Test("a server that cannot start says why")
  func noStart() async throws {
    let error = #expect(throws: ServerProcess.Failure.self) {
      try ServerProcess(["python", "-c", "raise SystemExit('the reason')"], ready: #"(\d+)"#)
    }
    #expect(error?.description.contains("the reason") == true)
  }
}

@Suite("The fault proxy", .serialized)
struct FaultProxyTests {
  private static let shared = Result { try FaultProxy(before: .sharedEcho()) }
  let proxy: FaultProxy
  let client: HTTPClient

  init() throws {
    proxy = try Self.shared.get()
    try proxy.clear()
    try proxy.forget()
    client = try HTTPClient()
  }

  @Test("without a rule it changes nothing")
  func plain() async throws {
    var request = HTTPRequest(method: "PUT", url: "\(proxy.url)/a%2Fb//c?x=%20")
    request.fields = [HTTPField("Host", "bucket.test"), HTTPField("X-Signed", "yes")]
    request.body = .bytes(Array("body".utf8))
    let text = String(decoding: try await client.response(to: request, bodyLimit: 4096).body, as: UTF8.self)
    #expect(text.contains(#""target": "/a%2Fb//c?x=%20""#))
    #expect(text.contains(#"["Host", "bucket.test"]"#))
    #expect(text.contains(#""length": 4"#))
    for absent in ["Accept-Encoding", "Content-Type", "Via"] { #expect(!text.contains(absent)) }
    let seen = try #require(try proxy.log().requests.first)
    #expect(seen.method == "PUT" && seen.target == "/a%2Fb//c?x=%20" && seen.length == 4 && seen.status == 200)
    #expect(seen.fields.contains("x-signed"))
  }

  @Test("a rule acts on the requests that it names, from the nth on, so many times")
  func rule() async throws {
    try proxy.inject(
      .error(503, "SlowDown", retryAfter: 7).on(method: "^GET$", path: "^/status/2..$", nth: 2, count: 2))
    var statuses: [Int] = []
    for path in ["status/200", "status/201", "status/404", "status/202", "status/203"] {
      let response = try await client.get("\(proxy.url)/\(path)")
      statuses.append(response.head.status)
      guard response.head.status == 503 else { continue }
      #expect(response.head["Retry-After"] == "7")
      #expect(String(decoding: response.body, as: UTF8.self).contains("<Code>SlowDown</Code>"))
    }
    #expect(statuses == [200, 503, 404, 503, 203])
    #expect(try proxy.injected() == [2])
    #expect(try proxy.log().requests.map(\.fault) == [nil, "respond", nil, "respond", nil])
  }

  @Test("an answer that belongs to the request before")
  func replay() async throws {
    _ = try await client.get("\(proxy.url)/bytes/10")
    try proxy.inject(.replay)
    #expect(try await client.get("\(proxy.url)/bytes/20").body.count == 10)
    #expect(try await client.get("\(proxy.url)/bytes/20").body.count == 20)
  }

  @Test("answers of two requests that are exchanged")
  func swap() async throws {
    try proxy.inject(.swap)
    async let first = client.get("\(proxy.url)/bytes/100")
    async let second = client.get("\(proxy.url)/bytes/200")
    let counts = try await (first.body.count, second.body.count)
    #expect(counts == (200, 100))
  }

  @Test("broken XML, another date, a redirect")
  func answers() async throws {
    try proxy.inject(.garbage)
    #expect(try await client.get("\(proxy.url)/bytes/10").body.contains(0xff))
    try proxy.inject(.clockSkew(seconds: -3600))
    let skewed = try await client.get("\(proxy.url)/bytes/10")
    #expect(skewed.head.status == 403)
    #expect(String(decoding: skewed.body, as: UTF8.self).contains("RequestTimeTooSkewed"))
    let plain = try await client.get("\(proxy.url)/bytes/10")
    #expect(skewed.head["Date"] != plain.head["Date"])
    try proxy.inject(.redirect(301, to: "http://elsewhere/", headers: ["x-amz-bucket-region": "eu-west-1"]))
    let moved = try await client.get("\(proxy.url)/bytes/10")
    #expect(moved.head.status == 301 && moved.head["x-amz-bucket-region"] == "eu-west-1")
  }

  @Test("a server that acts, and whose answer is lost")
  func lostAnswer() async throws {
    try proxy.inject(.reset(after: nil))
    let request = HTTPRequest(method: "POST", url: "\(proxy.url)/status/200")
    await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 100) }
    #expect(try proxy.log().requests.map(\.status) == [200])
  }
}
