import GRPC
import LinuxSystem
import Mounter
import ObjectStoreServers
import TestSupport
import Testing

/// Object stores that cannot be used: the publish says in one line what is wrong, and leaves nothing.
@Suite("Publishing of object stores that cannot be used", .serialized, .requiresFuse)
struct RefusedStoreTests {
  /// - Parameter words: parts of the sentence.
  private func expectRefusal(
    _ context: [String: String], secrets: [String: String] = TestStore.secrets(), timeout: Duration = .seconds(30),
    is codes: StatusCode..., saying words: [String], on plugin: PluginProcess
  ) async throws {
    var calls = plugin.calls
    calls.timeout = timeout
    let error = await #expect(throws: RPCError.self) {
      try await calls.publish("v", at: plugin.target("a"), context: context, secrets: secrets)
    }
    guard let error else { return }
    #expect(codes.contains(error.code), "\(error)")
    for word in words { #expect(error.message.contains(word), "\(error)") }
    #expect(!error.message.contains("\n") && !error.message.contains("canary"), "\(error)")
    #expect(try await plugin.isClean())
  }

  @Test("a bucket that is not there, and keys that the store refuses")
  func realServers() async throws {
    let store = try TestStore.rclone()
    try await PluginProcess.with { plugin in
      try await expectRefusal(
        store.context(bucket: "nobodys"), is: .notFound, saying: ["there is no bucket nobodys"], on: plugin)
      try await expectRefusal(
        store.context(), secrets: TestStore.secrets(id: "canary-unknown-0123456789"), is: .permissionDenied,
        saying: ["s3a."], on: plugin)
      try await expectRefusal(
        store.context(), secrets: TestStore.secrets(key: "canary-wrong-0123456789abcdef"), is: .permissionDenied,
        saying: ["s3a.secretKey"], on: plugin)
      #expect(!plugin.log.contains("canary"))
    }
  }

  @Test("secrets that cannot be a key pair are refused before anything is mounted")
  func secrets() async throws {
    let context = ["path": "s3://bucket", "alluxio.underfs.s3.endpoint": "http://127.0.0.1:1"]
    try await PluginProcess.with { plugin in
      try await expectRefusal(
        context, secrets: ["s3a.accessKeyId": "canary"], is: .invalidArgument, saying: ["s3a.secretKey is missing"],
        on: plugin)
      try await expectRefusal(
        context, secrets: ["s3a.accessKeyID": "canary"], is: .invalidArgument,
        saying: ["did you mean 's3a.accessKeyId'"], on: plugin)
      #expect(try await plugin.mounter.list(by: .after(.patient)).isEmpty)
    }
  }

  @Test("nobody listens, no object store answers, or one whose certificate nobody vouches for")
  func ways() async throws {
    let port = try freePort()
    let echo = try ServerProcess.echo()
    let encrypted = try ServerProcess.echo(ServerCertificate())
    try await PluginProcess.with { plugin in
      func context(_ url: String) -> [String: String] { ["path": "s3://bucket", "alluxio.underfs.s3.endpoint": url] }
      try await expectRefusal(
        context("http://127.0.0.1:\(port)"), is: .unavailable, saying: ["127.0.0.1:\(port) cannot be reached"],
        on: plugin)
      try await expectRefusal(context(echo.url), is: .invalidArgument, saying: ["is no object store"], on: plugin)
      try await expectRefusal(
        context(encrypted.encryptedURL), is: .invalidArgument, saying: ["TLS with localhost"], on: plugin)
    }
  }

  @Test("what only a proxy makes a server answer: no permission, overload, another region, the wrong time, nothing")
  func proxied() async throws {
    let store = try TestStore.moto()
    let proxy = try FaultProxy(before: store.server)
    let context = store.context(at: proxy.url)
    try await PluginProcess.with { plugin in
      func expect(_ fault: Fault, _ code: StatusCode, _ word: String) async throws {
        try proxy.clear()
        try proxy.inject(fault.on(count: 0))
        try await expectRefusal(context, is: code, saying: [word], on: plugin)
      }
      try await expect(.error(403, "AccessDenied"), .permissionDenied, "grant s3:ListBucket")
      try await expect(.error(503, "SlowDown"), .unavailable, "overloaded")
      try await expect(.clockSkew(seconds: 7_200), .permissionDenied, "clock")
      let region = Fault.redirect(301, to: "http://127.0.0.1:1/", headers: ["x-amz-bucket-region": "eu-west-1"])
      try await expect(region, .invalidArgument, "region eu-west-1")
      try proxy.clear()
      try proxy.inject(.stall(until: "never").on(count: 0))
      try await expectRefusal(
        context, timeout: .seconds(6), is: .unavailable, .deadlineExceeded, saying: [], on: plugin)
      try proxy.clear()
      try await plugin.calls.publish("v", at: plugin.target("a"), context: context, secrets: TestStore.secrets())
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }
}
