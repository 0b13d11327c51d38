import HTTP
import Testing

@Suite("Requests that cannot be answered")
struct FailureTests {
  @Test("a library that is not there is an error that names the package")
  func missingLibrary() throws {
    var configuration = HTTPConfiguration()
    configuration.library = "libcurl-of-nobody.so.4"
    let error = #expect(throws: HTTPError.self) { try HTTPClient(configuration) }
    #expect(error?.kind == .library)
    #expect(error?.message.contains("libcurl4") == true)
  }

  @Test("nobody listens")
  func unreachable() throws {
    let client = try HTTPClient()
    defer { client.shutdown() }
    let request = HTTPRequest(url: "http://127.0.0.1:1/path?secret=hidden")
    let error = #expect(throws: HTTPError.self) { try client.perform(request, bodyLimit: 1) }
    #expect(error?.kind == .connect)
    #expect(error?.message.hasPrefix("no connection to 127.0.0.1:1") == true)
    #expect(error?.message.contains("hidden") == false)
  }
}
