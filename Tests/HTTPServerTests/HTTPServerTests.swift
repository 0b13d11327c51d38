import HTTP
import LinuxSystem
import Synchronization
import SystemPackage
import TestSupport
import Testing

@testable import HTTPServer

@Suite("The HTTP server, asked by real clients", .timeLimit(.minutes(2)))
struct HTTPServerTests {
  /// A server on a port of the kernel's choice, ended with the body.
  private func serving(
    _ answer: @escaping @Sendable (String) async -> ServerReply, _ body: (UInt16) async throws -> Void
  ) async throws {
    let listener = try TCPListener(try #require(TCPAddress("127.0.0.1:0")))
    let port = try listener.port()
    let server = try HTTPServer(listener, answer: answer)
    do { try await body(port) } catch {
      await server.stop()
      throw error
    }
    await server.stop()
  }

  private func get(_ port: UInt16, _ path: String, method: String = "GET") async throws -> HTTPResponse {
    let client = try HTTPClient()
    defer { client.shutdown() }
    let request = HTTPRequest(method: method, url: "http://127.0.0.1:\(port)\(path)")
    return try await client.response(to: request, bodyLimit: 1 << 20)
  }

  @Test("a path is decoded and comes without its query")
  func path() async throws {
    try await serving {
      ServerReply(200, "asked for \($0)\n")
    } _: { port in
      let reply = try await get(port, "/a%20b?c=d")
      #expect(reply.head.status == 200)
      #expect(String(decoding: reply.body, as: UTF8.self) == "asked for /a b\n")
    }
  }

  @Test("an answer that takes long holds no other up")
  func slow() async throws {
    let gate = AsyncStream<Void>.makeStream()
    let asked = AsyncStream<Void>.makeStream()
    try await serving { path in
      if path == "/slow" {
        asked.continuation.yield()
        for await _ in gate.stream { break }
      }
      return ServerReply(200, path)
    } _: { port in
      async let slow = get(port, "/slow")
      for await _ in asked.stream { break }
      let quick = try await get(port, "/quick")
      #expect(quick.body == Array("/quick".utf8))
      gate.continuation.yield()
      let late = try await slow
      #expect(late.body == Array("/slow".utf8))
    }
  }

  @Test("what is neither GET nor HEAD is refused")
  func methods() async throws {
    try await serving { _ in
      ServerReply(200, "body")
    } _: { port in
      let head = try await get(port, "/", method: "HEAD")
      #expect(head.head.status == 200 && head.body.isEmpty)
      let refused = try await get(port, "/", method: "DELETE")
      #expect(refused.head.status == 405)
    }
  }

  @Test("more clients than connections are all answered")
  func crowd() async throws {
    try await serving { _ in
      ServerReply(200, "here")
    } _: { port in
      let answered = try await withThrowingTaskGroup(of: Bool.self) { group in
        for _ in 0..<(3 * Int(HTTPServer.maximumConnections)) {
          group.addTask { try await self.get(port, "/").head.status == 200 }
        }
        return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(answered == 3 * Int(HTTPServer.maximumConnections))
    }
  }

  @Test("a server that stops ends with what it was working on")
  func stopping() async throws {
    let listener = try TCPListener(try #require(TCPAddress("127.0.0.1:0")))
    let port = try listener.port()
    let asked = AsyncStream<Void>.makeStream()
    let never = AsyncStream<Void>.makeStream()
    let server = try HTTPServer(listener) { _ in
      asked.continuation.yield()
      // Ends when its task is cancelled.
      for await _ in never.stream {}
      return ServerReply(200, "late")
    }
    async let reply = try? get(port, "/")
    for await _ in asked.stream { break }
    await server.stop()
    _ = await reply
    never.continuation.finish()
    // Nobody listens there any more.
    await #expect(throws: HTTPError.self) { _ = try await get(port, "/") }
  }

  @Test("without the library the error names the package")
  func missingLibrary() throws {
    let error = #expect(throws: HTTPServerError.self) {
      let listener = try TCPListener(try #require(TCPAddress("127.0.0.1:0")))
      _ = try HTTPServer(listener, library: "libmicrohttpd.so.0") { _ in ServerReply(200, "") }
    }
    #expect(error?.description.contains("install the package libmicrohttpd12") == true)
  }

  @Test("an address is numbers, or all of the machine", arguments: [":9809", "127.0.0.1:0", "[::1]:80", "0.0.0.0:1"])
  func addresses(text: String) throws {
    #expect(TCPAddress(text)?.description == text)
  }

  @Test(
    "what is no address is none",
    arguments: ["", "9809", ":", ":99999", "localhost:80", "::1:80", "[127.0.0.1]:80", "[]:80", "1.2.3:80", "/tmp/x:1"])
  func noAddresses(text: String) {
    #expect(TCPAddress(text) == nil)
  }
}
