import GRPC
import TestSupport
import Testing

@Suite("Calls")
struct CallTests {
  @Test("a call reaches its handler with method, authority, deadline and bytes, and its reply comes back")
  func echo() async throws {
    let folder = try TemporaryDirectory("grpc")
    let endpoint = try Endpoint(path: folder.appending("csi/csi.sock"))
    let server = try Server(
      endpoint: endpoint,
      handlers: [
        "/test.Echo/Say": { request, context in
          #expect(context.method == "/test.Echo/Say")
          #expect(context.authority == "localhost")
          #expect(context.deadline.map { $0 > .now } == true)
          #expect(context.requestBytes == 3)
          return OutgoingMessage(request.withBytes { Array($0) + [4] })
        }
      ])
    let client = Client(endpoint)
    let reply = try await client.call("/test.Echo/Say", OutgoingMessage([1, 2, 3]), timeout: .seconds(10))
    #expect(reply.withBytes { Array($0) } == [1, 2, 3, 4])
    client.close()
    await server.shutdown(grace: .seconds(5))
  }
}
