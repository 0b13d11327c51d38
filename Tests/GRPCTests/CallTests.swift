import GRPC
import Synchronization
import TestSupport
import Testing

@Suite("Calls", .timeLimit(.minutes(2)))
struct CallTests {
  @Test("a call reaches its handler with method, authority, deadline and size, and its reply comes back")
  func context() async throws {
    let server = try TestServer(handlers: [
      "/test/Context": { request, context in
        #expect(context.method == "/test/Context")
        #expect(context.authority == "localhost")
        #expect(context.deadline.map { $0 > .now && $0 < .now + .seconds(31) } == true)
        #expect(context.requestBytes == 3)
        return OutgoingMessage(request.withBytes { Array($0) + [4] })
      }
    ])
    let client = Client(server.endpoint)
    let reply = try await client.call("/test/Context", OutgoingMessage([1, 2, 3]), timeout: .seconds(30))
    #expect(reply.withBytes { Array($0) } == [1, 2, 3, 4])
    await server.stop()
  }

  @Test("a call without a deadline has none at the server")
  func noDeadline() async throws {
    let server = try TestServer(handlers: [
      "/test/Context": { _, context in
        #expect(context.deadline == nil)
        return OutgoingMessage()
      }
    ])
    let client = Client(server.endpoint)
    #expect(try await client.call("/test/Context", OutgoingMessage()).count == 0)
    await server.stop()
  }

  @Test("messages of every size up to 4 MiB arrive whole", arguments: [0, 1, 15, 16, 23, 24, 25, 70_000, 4 << 20])
  func sizes(size: Int) async throws {
    let server = try TestServer()
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    #expect(try await server.echo(bytes) == bytes)
    await server.stop()
  }

  @Test("a request of 5 MiB gets RESOURCE_EXHAUSTED, and the server goes on")
  func tooLarge() async throws {
    let server = try TestServer()
    let error = await status { () throws(RPCError) in
      let client = Client(server.endpoint)
      _ = try await client.call("/test/Echo", OutgoingMessage([UInt8](repeating: 7, count: 5 << 20)))
    }
    #expect(error?.code == .resourceExhausted)
    #expect(try await server.echo() == [1, 2, 3])
    await server.stop()
  }

  @Test("an unknown method gets UNIMPLEMENTED and its name")
  func unknownMethod() async throws {
    let server = try TestServer()
    let client = Client(server.endpoint)
    let error = await status { () throws(RPCError) in _ = try await client.call("/test/No", OutgoingMessage()) }
    #expect(error == RPCError(.unimplemented, "method /test/No is not served here"))
    await server.stop()
  }

  @Test("every status code and its message arrive as they were thrown", arguments: StatusCode.allCases)
  func codes(code: StatusCode) async throws {
    guard code != .ok else { return }
    let thrown = RPCError(code, "volume \"ü\" 100% \u{1F4BE} a\nb\u{0}c")
    let server = try TestServer(handlers: ["/test/Fail": { _, _ in throw thrown }])
    let client = Client(server.endpoint)
    let error = await status { () throws(RPCError) in _ = try await client.call("/test/Fail", OutgoingMessage()) }
    #expect(error == thrown)
    await server.stop()
  }

  @Test("an error that is no status becomes INTERNAL with its description")
  func otherError() async throws {
    struct Broken: Error, CustomStringConvertible { let description = "the registry is broken" }
    let server = try TestServer(handlers: ["/test/Fail": { _, _ in throw Broken() }])
    let client = Client(server.endpoint)
    let error = await status { () throws(RPCError) in _ = try await client.call("/test/Fail", OutgoingMessage()) }
    #expect(error == RPCError(.internal, "the registry is broken"))
    await server.stop()
  }

  @Test(
    "a message too long for a trailer is cut at a character, and still arrives with its code",
    arguments: ["a", "ü", "\u{1F4BE}", "%"])
  func longMessage(character: String) async throws {
    let message = String(repeating: character, count: 100_000)
    let server = try TestServer(handlers: ["/test/Fail": { _, _ in throw RPCError(.notFound, message) }])
    let client = Client(server.endpoint)
    let error = await status { () throws(RPCError) in _ = try await client.call("/test/Fail", OutgoingMessage()) }
    #expect(error?.code == .notFound)
    let text = try #require(error?.message)
    #expect(text.hasSuffix("..."))
    #expect(text.dropLast(3).allSatisfy { String($0) == character })
    #expect(text.count > 300)
    await server.stop()
  }

  @Test("200 clients at once are all served")
  func manyClients() async throws {
    let server = try TestServer()
    let replies = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for number in 0..<200 {
        group.addTask { (number, try await server.echo([UInt8(number), UInt8(number / 2)])) }
      }
      return try await group.reduce(into: [Int: [UInt8]]()) { $0[$1.0] = $1.1 }
    }
    #expect(replies.count == 200)
    #expect(replies.allSatisfy { $0.value == [UInt8($0.key), UInt8($0.key / 2)] })
    await server.stop()
  }

  @Test("a client that waits for the server is served once it starts")
  func waitForReady() async throws {
    let folder = try TemporaryDirectory("grpc")
    let endpoint = try Endpoint(path: folder.appending("csi.sock"))
    let client = Client(endpoint)
    let absent = await status { () throws(RPCError) in _ = try await client.call("/test/Echo", OutgoingMessage()) }
    #expect(absent?.code == .unavailable)
    async let reply = client.call("/test/Echo", OutgoingMessage([9]), timeout: .seconds(60), waitForReady: true).count
    let server = try Server(
      endpoint: endpoint,
      handlers: ["/test/Echo": { request, _ in OutgoingMessage(request.withBytes { Array($0) }) }], logger: .quiet)
    #expect(try await reply == 1)
    await server.shutdown(grace: .zero)
  }

  @Test("interceptors run in their order around every handler, and see size, status and unknown methods")
  func interceptors() async throws {
    let events = Recorder()
    let server = try TestServer(
      interceptors: [Recording(name: "outer", events: events), Recording(name: "inner", events: events)],
      handlers: ["/test/Fail": { _, _ in throw RPCError(.aborted, "busy") }])
    let client = Client(server.endpoint)
    _ = try await client.call("/test/Echo", OutgoingMessage([1, 2]))
    _ = await status { () throws(RPCError) in _ = try await client.call("/test/Fail", OutgoingMessage()) }
    _ = await status { () throws(RPCError) in _ = try await client.call("/test/No", OutgoingMessage()) }
    #expect(
      events.all == [
        "outer /test/Echo 2", "inner /test/Echo 2", "inner OK", "outer OK",
        "outer /test/Fail 0", "inner /test/Fail 0", "inner ABORTED", "outer ABORTED",
        "outer /test/No 0", "inner /test/No 0", "inner UNIMPLEMENTED", "outer UNIMPLEMENTED",
      ])
    await server.stop()
  }
}

/// Writes down what it sees.
private struct Recording: Interceptor {
  let name: String
  let events: Recorder

  func intercept(
    _ request: consuming IncomingMessage, _ context: CallContext, _ next: UnaryHandler
  ) async throws -> OutgoingMessage {
    events.add("\(name) \(context.method) \(context.requestBytes)")
    do {
      let reply = try await next(request, context)
      events.add("\(name) OK")
      return reply
    } catch {
      events.add("\(name) \(RPCError(thrown: error, context).code)")
      throw error
    }
  }
}

private final class Recorder: Sendable {
  private let lines = Mutex<[String]>([])
  func add(_ line: String) { lines.withLock { $0.append(line) } }
  var all: [String] { lines.withLock { $0 } }
}
