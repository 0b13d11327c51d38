import GRPC
import Testing

@Suite("Endpoints")
struct EndpointTests {
  @Test(
    "the three ways to write a unix socket give its path",
    arguments: [
      ("unix:///csi/csi.sock", "/csi/csi.sock"),
      ("unix:///var/lib/kubelet/plugins/alluxio/csi.sock", "/var/lib/kubelet/plugins/alluxio/csi.sock"),
      ("unix://csi/csi.sock", "/csi/csi.sock"),
      ("unix:/csi/csi.sock", "/csi/csi.sock"),
      ("unix:/a b%20c?d#e", "/a b%20c?d#e"),
    ])
  func accepted(text: String, path: String) throws {
    let endpoint = try Endpoint(text)
    #expect(endpoint.path == path)
    #expect(try Endpoint("\(endpoint)") == endpoint)
  }

  @Test(
    "anything else is refused with the reason and an example",
    arguments: [
      ("", "not a unix socket"), ("tcp://127.0.0.1:9000", "not a unix socket"), ("127.0.0.1:9000", "not a unix socket"),
      ("/csi/csi.sock", "not a unix socket"), ("UNIX:///csi.sock", "not a unix socket"),
      ("unix-abstract:csi", "not a unix socket"), ("dns:///unix", "not a unix socket"), ("unix:", "path is empty"),
      ("unix://", "path is empty"), ("unix:csi.sock", "not absolute"), ("unix:../csi.sock", "not absolute"),
      ("unix:///", "names a folder"), ("unix:///csi/", "names a folder"), ("unix:///a\u{0}b", "NUL byte"),
      ("unix:///" + String(repeating: "x", count: 107), "108 bytes"),
    ])
  func refused(text: String, reason: String) throws {
    let error = try #require(throws: EndpointError.self) { try Endpoint(text) }
    #expect("\(error)".contains(reason))
    #expect("\(error)".contains("unix:///path/to/csi.sock"))
  }

  @Test("a path of 107 bytes is the longest")
  func longest() throws {
    #expect(try Endpoint("unix:///" + String(repeating: "x", count: 106)).path.utf8.count == 107)
  }
}
