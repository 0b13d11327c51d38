import HTTP
import ObjectStoreServers
import Testing

@Suite("Requests and answers")
struct TransferTests {
  let server: ServerProcess
  let client: HTTPClient

  init() throws {
    server = try .echo()
    client = try HTTPClient()
  }

  @Test("a request comes as it was written")
  func request() async throws {
    let target = "/a%2Fb/../c//d+e/%7Etilde?b=2&a=1%20%2F&list-type=2&empty="
    var request = HTTPRequest(method: "DELETE", url: server.url + target)
    request.fields = [HTTPField("X-Amz-Date", "20260101T000000Z"), HTTPField("Authorization", "AWS4 a=b,c")]
    let text = String(decoding: try await client.response(to: request, bodyLimit: 4096).body, as: UTF8.self)
    #expect(text.contains(#""target": "\#(target)""#))
    #expect(text.contains(#""method": "DELETE""#))
    #expect(text.contains(#"["X-Amz-Date", "20260101T000000Z"]"#))
    #expect(text.contains(#"["Authorization", "AWS4 a=b,c"]"#))
    #expect(!text.contains("Expect"))
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
}
