import Glibc
import HTTP
import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing

/// What concerns a whole process runs in one of its own, so that no other test is in the way.
@Suite("A process with clients of HTTP")
struct ProcessTests {
  @Test("clients that come and go leave no descriptor and no thread behind")
  func leaks() async throws {
    let server = try ServerProcess.sharedEcho()
    let url = server.url
    await #expect(processExitsWith: .success) { [url = url as String] in
      func round() async throws {
        let client = try HTTPClient()
        for _ in 0..<10 { _ = try await client.get("\(url)/bytes/100000") }
        _ = client.begin(HTTPRequest(url: "\(url)/wait/leak"))
        let (transfer, _) = client.begin(HTTPRequest(url: "\(url)/bytes/10000000"), sink: RecordingSink { _ in .pause })
        transfer.cancel()
        _ = try? client.perform(HTTPRequest(url: "http://127.0.0.1:1/"), bodyLimit: 1)
        client.shutdown()
      }
      func threads() throws -> Int {
        try DirectoryNames.list("/proc/self/task").count { name in
          (try? WholeFile.text("/proc/self/task/\(name)/comm")) == "http\n"
        }
      }
      try await round()
      let before = try LeakSnapshot(mountsBeneath: nil)
      for _ in 0..<20 { try await round() }
      let leaks = try LeakSnapshot(mountsBeneath: nil).leaks(since: before, rounds: 5)
      #expect(leaks == [])
      // A thread that is done may not have gone yet.
      let limit = ContinuousClock.now + .seconds(60)
      while try threads() > 0, .now < limit { sched_yield() }
      if try !leaks.isEmpty || threads() > 0 { exit(1) }
    }
  }

  @Test("a server that hangs up during an upload over TLS does not end the process")
  func brokenPipe() async throws {
    let certificate = try ServerCertificate()
    let server = try ServerProcess.echo(certificate)
    let (url, authority) = (server.encryptedURL, certificate.authorityPath)
    await #expect(processExitsWith: .success) { [url = url as String, authority = authority as String] in
      signal(SIGPIPE, SIG_DFL)
      var configuration = HTTPConfiguration()
      configuration.authorities = .file(authority)
      let client = try HTTPClient(configuration)
      for _ in 0..<50 {
        let source = PatternSource(length: 64 << 20, step: 1 << 20)
        let request = HTTPRequest(method: "PUT", url: "\(url)/hangup", body: .source(source))
        let error = #expect(throws: HTTPError.self) { try client.perform(request, bodyLimit: 1) }
        if error?.kind != .reset { exit(1) }
      }
    }
  }

  @Test("the library is loaded by the first client and not before")
  func loading() async {
    await #expect(processExitsWith: .success) {
      func isLoaded() throws -> Bool { try WholeFile.text("/proc/self/maps").contains("libcurl.so") }
      if try isLoaded() { exit(1) }
      let client = try HTTPClient()
      if try !isLoaded() { exit(2) }
      client.shutdown()
    }
  }
}
