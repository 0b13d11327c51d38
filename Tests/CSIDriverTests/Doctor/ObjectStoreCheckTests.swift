import CSIDriver
import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

@Suite("Object stores, looked at by a node's doctor", .serialized)
struct ObjectStoreCheckTests {
  private func place(
    _ path: String, at url: String, _ secrets: [String: String] = TestStore.secrets()
  ) throws -> ProvisioningPlace {
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: url)
    return ProvisioningPlace(try UnderFileSystemURI(parsing: path), properties: properties, secrets: secrets)
  }

  private func expect(
    _ check: some NodeCheck, _ state: Finding.State, _ word: String, by deadline: Deadline = .after(.patient)
  ) async {
    let findings = await check.findings(by: deadline)
    #expect(findings.map(\.state) == [state], "\(findings)")
    #expect(findings.contains { "\($0)".contains(word) }, "\(word): \(findings)")
    #expect(findings.allSatisfy { !"\($0)".contains("canary") }, "a secret is shown")
    #expect(findings.allSatisfy { ($0.state == .ok) == ($0.fix == nil) }, "\(findings)")
  }

  /// Without variables of this machine.
  private func bucket(_ place: ProvisioningPlace, _ variables: [String: String] = [:]) -> BucketCheck {
    // Else the instance's role is looked for.
    let all = variables.merging(["AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nowhere"]) { $1 }
    return BucketCheck(TriedStore(place) { all[$0] })
  }

  @Test("keys that the store takes, given or of the environment, and keys that it refuses")
  func keys() async throws {
    let store = try TestStore.rclone()
    let url = store.server.url
    await expect(bucket(try place("s3://bucket", at: url)), .ok, "with the given keys")
    let wrong = TestStore.secrets(key: "canary-wrong-0123456789abcdef")
    await expect(bucket(try place("s3://bucket", at: url, wrong)), .failure, "s3a.secretKey")
    let unknown = TestStore.secrets(id: "canary-unknown-0123456789")
    await expect(bucket(try place("s3://bucket", at: url, unknown)), .failure, "correct the secret")
    let variables = ["AWS_ACCESS_KEY_ID": TestStore.keyID, "AWS_SECRET_ACCESS_KEY": TestStore.secretKey]
    await expect(bucket(try place("s3://bucket", at: url, [:]), variables), .ok, "this environment's")
    await expect(bucket(try place("s3://bucket", at: url, ["s3a.accessKeyId": "canary"])), .failure, "s3a.secretKey")
  }

  @Test("a bucket that is not public says that keys are to be given")
  func noKeys() async throws {
    let store = try TestStore.moto()
    let proxy = try FaultProxy(before: store.server)
    let check = bucket(try place("s3://bucket", at: proxy.url, [:]))
    try proxy.inject(Fault.error(403, "AccessDenied").on(count: 0))
    await expect(check, .failure, "--secret-dir")
  }

  @Test("a bucket that is not there, nobody who listens, and no object store")
  func ways() async throws {
    let store = try TestStore.rclone()
    await expect(bucket(try place("s3://nobodys", at: store.server.url)), .failure, "there is no bucket nobodys")
    let echo = try ServerProcess.echo()
    await expect(bucket(try place("s3://bucket", at: echo.url)), .failure, "no object store")
    let nobody = try place("s3://bucket", at: "http://127.0.0.1:\(try freePort())")
    await expect(bucket(nobody), .failure, "cannot be reached")
    await expect(ClockCheck(TriedStore(nobody) { _ in nil }), .warning, "tells no time")
  }

  @Test("a service whose clock is this node's, minutes away, and too far away for signatures")
  func clocks() async throws {
    let store = try TestStore.moto()
    let proxy = try FaultProxy(before: store.server)
    let check = ClockCheck(TriedStore(try place("s3://bucket", at: proxy.url)) { _ in nil })
    await expect(check, .ok, "agree")
    for (seconds, state, word) in [
      (300, Finding.State.warning, "s behind that of"), (-300, .warning, "s ahead of that of"),
      (7_200, .failure, "signatures are refused"),
    ] {
      try proxy.clear()
      try proxy.inject(Fault.clockSkew(seconds: seconds).on(count: 0))
      await expect(check, state, word)
      await expect(check, state, "NTP")
    }
  }

  @Test("a store that never answers ends at the deadline")
  func silence() async throws {
    let store = try TestStore.moto()
    let proxy = try FaultProxy(before: store.server)
    try proxy.inject(Fault.stall(until: "never").on(count: 0))
    let check = bucket(try place("s3://bucket", at: proxy.url))
    await expect(check, .failure, "in time", by: .after(.seconds(1)))
  }
}
