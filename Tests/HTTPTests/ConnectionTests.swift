import HTTP
import LinuxSystem
import ObjectStoreServers
import Testing

@Suite("Connections")
struct ConnectionTests {
  let server: ServerProcess

  init() throws { server = try .sharedEcho() }

  /// How many connections the server has accepted, with that of this question.
  private func connections(_ client: HTTPClient, _ server: ServerProcess) async throws -> Int? {
    Int(String(decoding: try await client.get("\(server.url)/connections").body, as: UTF8.self))
  }

  @Test("requests one after the other use one connection")
  func reuse() async throws {
    let server = try ServerProcess.echo()
    var configuration = HTTPConfiguration()
    // A slow machine must not make the connection too old between two requests.
    configuration.idleLifetime = .seconds(600)
    let client = try HTTPClient(configuration)
    for _ in 0..<50 { _ = try await client.get("\(server.url)/bytes/1000") }
    #expect(try await connections(client, server) == 1)
    #expect(client.connectionsMade == 1)
  }

  @Test("sixty-four requests at a time are served over eight connections")
  func parallel() async throws {
    var configuration = HTTPConfiguration()
    configuration.connectionsPerHost = 8
    configuration.idleLifetime = .seconds(600)
    let server = try ServerProcess.echo()
    let client = try HTTPClient(configuration)
    try await withThrowingTaskGroup { group in
      for index in 0..<64 {
        group.addTask {
          let response = try await client.get("\(server.url)/bytes/\(100_000 + index)")
          #expect(response.body == pattern(0..<100_000 + index))
        }
      }
      try await group.waitForAll()
    }
    #expect(try await connections(client, server) == 8)
  }

  @Test("a request that waits for a connection is not late to connect")
  func queued() async throws {
    var configuration = HTTPConfiguration()
    configuration.connectionsPerHost = 1
    let client = try HTTPClient(configuration)
    let (_, first) = client.begin(HTTPRequest(url: "\(server.url)/wait/queue"))
    var request = HTTPRequest(url: "\(server.url)/bytes/1")
    request.timeouts.connect = .milliseconds(50)
    let (_, second) = client.begin(request)
    // A request that ends by its own limit, so that more than that of the connection has gone by.
    let other = try HTTPClient()
    var late = HTTPRequest(url: "\(server.url)/wait/never")
    late.timeouts.response = .milliseconds(200)
    await #expect(throws: HTTPError.self) { try await other.response(to: late, bodyLimit: 1) }
    _ = try await other.get("\(server.url)/release/queue")
    #expect(try await first.get().get().status == 200)
    #expect(try await second.get().get().status == 200)
  }

  @Test("a kept connection that the server has closed is replaced")
  func closedMeanwhile() async throws {
    let proxy = try FaultProxy(before: server)
    let client = try HTTPClient()
    _ = try await client.get("\(proxy.url)/bytes/1")
    // The answer is whole, and the connection ends behind it.
    try proxy.inject(.truncate(after: 1))
    _ = try await client.get("\(proxy.url)/bytes/1")
    #expect(try await client.get("\(proxy.url)/bytes/1").head.status == 200)
    #expect(try proxy.log().connections == 2)
  }

  @Test("a request that dies on a kept connection is sent again, unless it must not be", arguments: ["PUT", "POST"])
  func resent(method: String) async throws {
    let proxy = try FaultProxy(before: server)
    let client = try HTTPClient()
    _ = try await client.get("\(proxy.url)/bytes/1")
    try proxy.inject(.reset(after: nil).on(method: method))
    let request = HTTPRequest(method: method, url: "\(proxy.url)/x", body: .bytes(pattern(0..<1000)))
    if method == "PUT" {
      #expect(try await client.response(to: request, bodyLimit: 4096).head.status == 200)
    } else {
      let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 4096) }
      #expect(error?.kind == .reset)
      #expect(error?.wasSent == true)
    }
    #expect(try proxy.log().requests.filter { $0.method == method }.count == (method == "PUT" ? 2 : 1))
  }

  @Test("nobody listens")
  func unreachable() async throws {
    let client = try HTTPClient()
    let request = HTTPRequest(url: "http://user:password@127.0.0.1:1/path?secret=hidden")
    let error = await #expect(throws: HTTPError.self) { try await client.response(to: request, bodyLimit: 1) }
    #expect(error?.kind == .connect)
    #expect(error?.endpoint == "127.0.0.1:1")
    #expect(error?.message.hasPrefix("no connection to 127.0.0.1:1: ") == true)
    #expect(error?.message.contains("hidden") == false)
    #expect(error?.wasSent == false)
  }

  @Test("a name that has no address")
  func unknownName() async throws {
    // No name server is asked for a label of more than 63 bytes.
    let name = String(repeating: "n", count: 64) + ".example"
    let client = try HTTPClient()
    let error = await #expect(throws: HTTPError.self) { try await client.get("http://\(name)/") }
    #expect(error?.kind == .resolve)
    #expect(error?.endpoint == "\(name):80")
  }

  @Test("an address instead of a name")
  func address() async throws {
    var configuration = HTTPConfiguration()
    configuration.addresses = ["bucket.s3.test:\(server.port):127.0.0.1"]
    let client = try HTTPClient(configuration)
    let response = try await client.get("http://bucket.s3.test:\(server.port)/x")
    #expect(String(decoding: response.body, as: UTF8.self).contains("\"bucket.s3.test:\(server.port)\""))
  }

  @Test("a client that is shut down with transfers under way cancels them and those that come")
  func shutdown() async throws {
    let client = try HTTPClient()
    let transfers = (0..<20).map { _ in client.begin(HTTPRequest(url: "\(server.url)/wait/shutdown")) }
    _ = try await client.get("\(server.url)/bytes/1")
    client.shutdown()
    client.shutdown()
    let late = client.begin(HTTPRequest(url: "\(server.url)/bytes/1"))
    for (transfer, result) in transfers + [late] {
      guard case .failure(let error) = try await result.get() else {
        Issue.record("it was answered")
        continue
      }
      #expect(error.kind == .cancelled)
      transfer.cancel()
    }
  }

  @Test("a client that nobody has any more cancels its transfers")
  func forgotten() async throws {
    var client: HTTPClient? = try HTTPClient()
    let started = client?.begin(HTTPRequest(url: "\(server.url)/wait/forgotten"))
    client = nil
    guard case .failure(let error)? = try await started?.result.get() else {
      Issue.record("it was answered")
      return
    }
    #expect(error.kind == .cancelled)
  }
}
