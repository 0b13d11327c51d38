import HTTP
import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing

@Suite("TLS and HTTP/2")
struct SecureTests {
  // Of each test: what outlives them leaves its folder behind.
  let certificate: ServerCertificate

  init() throws { certificate = try ServerCertificate() }

  private func client(_ authorities: HTTPConfiguration.Authorities) throws -> HTTPClient {
    var configuration = HTTPConfiguration()
    configuration.authorities = authorities
    return try HTTPClient(configuration)
  }

  private func authority() throws -> [UInt8] { Array(try WholeFile.text(certificate.authorityPath).utf8) }

  @Test("a server that the configured authority vouches for")
  func trusted() async throws {
    let server = try ServerProcess.echo(certificate)
    for authorities in [.file(certificate.authorityPath), .pem(try authority())] as [HTTPConfiguration.Authorities] {
      let response = try await client(authorities).get("\(server.encryptedURL)/bytes/1000000")
      #expect(response.body == pattern(0..<1_000_000))
    }
  }

  @Test("a server that another authority vouches for is not talked to")
  func untrusted() async throws {
    let server = try ServerProcess.echo(certificate)
    let other = try ServerCertificate()
    for authorities in [.file(other.authorityPath), .system] as [HTTPConfiguration.Authorities] {
      let client = try client(authorities)
      let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.encryptedURL)/x") }
      #expect(error?.kind == .tls)
      #expect(error?.wasSent == false)
      #expect(error?.message.hasPrefix("no trusted connection to localhost:\(server.port): ") == true)
    }
  }

  @Test("a configured authority replaces those of the system")
  func onlyConfigured() async throws {
    let server = try ServerProcess.echo(certificate)
    var configuration = HTTPConfiguration()
    configuration.authorities = .pem(try authority())
    configuration.addresses = ["other.test:\(server.port):127.0.0.1"]
    let client = try HTTPClient(configuration)
    // The authority is right and the name is not.
    let error = await #expect(throws: HTTPError.self) { try await client.get("https://other.test:\(server.port)/") }
    #expect(error?.kind == .tls)
  }

  @Test("authorities that are no certificates, or no file")
  func noCertificates() async throws {
    let server = try ServerProcess.echo(certificate)
    let wrong: [HTTPConfiguration.Authorities] = [.file("/nowhere/ca.pem"), .pem(Array("nonsense".utf8)), .pem([])]
    for authorities in wrong {
      let client = try client(authorities)
      let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.encryptedURL)/x") }
      #expect(error?.kind == .tls, "\(authorities)")
    }
  }

  @Test("a server that speaks no TLS")
  func plain() async throws {
    let server = try ServerProcess.sharedEcho()
    let client = try HTTPClient()
    let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.encryptedURL)/x") }
    #expect(error?.kind == .tls)
  }

  @Test("HTTP/2 carries many requests at a time over one connection", .requiresProgram("nginx"))
  func multiplexed() async throws {
    let server = try ConfiguredServer.nginx(certificate)
    let client = try client(.file(certificate.authorityPath))
    let url = server.process.encryptedURL
    try await withThrowingTaskGroup { group in
      for _ in 0..<64 {
        group.addTask {
          let response = try await client.response(
            to: HTTPRequest(url: "\(url)/connection", prefersHTTP2: true), bodyLimit: 100)
          #expect(response.head.version == "2")
          #expect(String(decoding: response.body, as: UTF8.self) == "1 HTTP/2.0")
        }
      }
      try await group.waitForAll()
    }
    #expect(client.connectionsMade == 1)
  }

  @Test("a paused stream of HTTP/2 does not hold the others", .requiresProgram("nginx"))
  func pausedStream() async throws {
    let server = try ConfiguredServer.nginx(certificate)
    let client = try client(.file(certificate.authorityPath))
    let url = server.process.encryptedURL
    let paused = Signal()
    let sink = RecordingSink { calls in
      if calls == 1 { paused.happen() }
      return calls == 1 ? .pause : .go
    }
    let (transfer, result) = client.begin(HTTPRequest(url: "\(url)/large", prefersHTTP2: true), sink: sink)
    await paused.wait()
    for _ in 0..<10 {
      let response = try await client.response(to: HTTPRequest(url: "\(url)/small", prefersHTTP2: true), bodyLimit: 100)
      #expect(response.body == Array("small".utf8))
    }
    #expect(sink.calls == 1)
    transfer.resume()
    #expect(try await result.get().get().status == 200)
    #expect(sink.bytes.count == 8 << 20)
  }

  @Test("HTTP/1.1 where HTTP/2 is not preferred, or not allowed", .requiresProgram("nginx"))
  func notPreferred() async throws {
    let server = try ConfiguredServer.nginx(certificate)
    var configuration = HTTPConfiguration()
    configuration.authorities = .file(certificate.authorityPath)
    let url = "\(server.process.encryptedURL)/small"
    #expect(try await HTTPClient(configuration).get(url).head.version == "1.1")
    configuration.allowsHTTP2 = false
    let request = HTTPRequest(url: url, prefersHTTP2: true)
    #expect(try await HTTPClient(configuration).response(to: request, bodyLimit: 100).head.version == "1.1")
  }
}
