import Glibc
import HTTP
import ObjectStoreServers
import TestSupport
import Testing

@Suite("Proxies")
struct ProxyTests {
  @Test("requests go through the configured proxy, with their fields")
  func forward() async throws {
    let server = try ServerProcess.sharedEcho()
    let proxy = try ConfiguredServer.tinyproxy()
    var configuration = HTTPConfiguration()
    configuration.proxy = .url(proxy.process.url, except: "")
    let response = try await HTTPClient(configuration).get("\(server.url)/x?a=b")
    let text = String(decoding: response.body, as: UTF8.self)
    #expect(text.contains(#""target": "/x?a=b""#))
    #expect(text.contains("tinyproxy"), "the proxy puts its name into Via: \(text)")
  }

  @Test("TLS goes through a tunnel of the proxy")
  func tunnel() async throws {
    let certificate = try ServerCertificate()
    let server = try ServerProcess.echo(certificate)
    let proxy = try ConfiguredServer.tinyproxy()
    var configuration = HTTPConfiguration()
    configuration.authorities = .file(certificate.authorityPath)
    configuration.proxy = .environment(HTTPProxyVariables(https: proxy.process.url))
    let response = try await HTTPClient(configuration).get("\(server.encryptedURL)/x")
    #expect(response.head.status == 200)
    #expect(!String(decoding: response.body, as: UTF8.self).contains("tinyproxy"))
  }

  @Test("hosts that are excepted are reached without the proxy, which is not there")
  func excepted() async throws {
    let server = try ServerProcess.sharedEcho()
    var configuration = HTTPConfiguration()
    let gone = "http://127.0.0.1:1"
    configuration.proxy = .environment(HTTPProxyVariables(all: gone, except: "other.test,127.0.0.1"))
    #expect(try await HTTPClient(configuration).get("\(server.url)/x").head.status == 200)
    configuration.proxy = .environment(HTTPProxyVariables(https: gone))
    #expect(try await HTTPClient(configuration).get("\(server.url)/x").head.status == 200)
    configuration.proxy = .url(gone, except: "")
    let client = try HTTPClient(configuration)
    let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.url)/x") }
    #expect(error?.kind == .connect)
  }

  @Test("a proxy that refuses a tunnel is no server that resets")
  func refused() async throws {
    let server = try ServerProcess.sharedEcho()
    let proxy = try ConfiguredServer.tinyproxy(credentials: "somebody secret")
    var configuration = HTTPConfiguration()
    configuration.proxy = .url(proxy.process.url, except: "")
    let client = try HTTPClient(configuration)
    let error = await #expect(throws: HTTPError.self) { try await client.get("\(server.encryptedURL)/x") }
    #expect(error?.kind == .connect)
    #expect(error?.message.contains("407") == true)
    #expect(try await client.get("\(server.url)/x").head.status == 407)
    configuration.proxy = .url("http://somebody:secret@127.0.0.1:\(proxy.process.port)", except: "")
    #expect(try await HTTPClient(configuration).get("\(server.url)/x").head.status == 200)
  }

  @Test("the variables of the environment, and the ones that are not believed")
  func variables() {
    let values = [
      "HTTP_PROXY": "http://cgi", "https_proxy": "", "HTTPS_PROXY": "http://secure", "ALL_PROXY": "http://all",
      "no_proxy": "localhost",
    ]
    let expected = HTTPProxyVariables(http: nil, https: "http://secure", all: "http://all", except: "localhost")
    #expect(HTTPProxyVariables { values[$0] } == expected)
  }

  @Test("variables of this process's environment mean nothing to a client without a proxy")
  func environment() async throws {
    let server = try ServerProcess.sharedEcho()
    let url = server.url
    await #expect(processExitsWith: .success) { [url = url as String] in
      for name in ["http_proxy", "https_proxy", "all_proxy"] { setenv(name, "http://127.0.0.1:1", 1) }
      _ = try await HTTPClient().get("\(url)/x")
    }
  }
}
