import GRPC
import TestSupport
import Testing

@Suite("What comes over the wire", .timeLimit(.minutes(2)))
struct WireTests {
  @Test("a Go client's authority is passed on as it is", arguments: ["localhost", "", "%2Fcsi%2Fcsi.sock", "csi:80"])
  func authorities(authority: String) async throws {
    let served = Event()
    let server = try TestServer(handlers: [
      "/test/Authority": { _, context in
        #expect(context.authority == authority)
        served.signal()
        return OutgoingMessage(Array("hello".utf8))
      }
    ])
    let connection = try RawConnection(server.endpoint)
    connection.sendPreface()
    connection.sendCall("/test/Authority", authority: authority, message: [])
    let isAnswered = await connection.receive(until: "hello")
    #expect(isAnswered)
    await served.wait()
    connection.close()
    await server.stop()
  }

  @Test("a call without a message is refused, and the server goes on")
  func noMessage() async throws {
    let server = try TestServer()
    let connection = try RawConnection(server.endpoint)
    connection.sendPreface()
    connection.sendCall("/test/Echo", authority: "localhost", message: nil)
    let isAnswered = await connection.receive(until: "a unary call needs one request message")
    #expect(isAnswered)
    connection.close()
    #expect(try await server.echo() == [1, 2, 3])
    await server.stop()
  }

  @Test("garbage on the socket leaves the server serving", arguments: [1, 2, 3] as [UInt64])
  func garbage(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let server = try TestServer()
    for round in 0..<60 {
      let connection = try RawConnection(server.endpoint)
      // Some of it after a good start, so that it reaches the frame and header parsers too.
      if round % 3 > 0 { connection.sendPreface() }
      if round % 3 > 1 { connection.sendCall("/test/Echo", authority: "x", message: random.bytes(count: 9)) }
      connection.send(random.bytes(count: Int.random(in: 1...2000, using: &random)))
      connection.close()
    }
    #expect(try await server.echo() == [1, 2, 3])
    await server.stop()
    #expect(server.server.runningHandlers == 0)
  }

  @Test("connections that say nothing do not keep others from being served")
  func silent() async throws {
    let server = try TestServer()
    let first = try RawConnection(server.endpoint)
    let second = try RawConnection(server.endpoint)
    second.sendPreface()
    #expect(try await server.echo() == [1, 2, 3])
    first.close()
    second.close()
    await server.stop()
  }
}
