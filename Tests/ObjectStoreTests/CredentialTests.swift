import HTTP
import LinuxSystem
@testable import ObjectStore
import Synchronization
import TestSupport
import Testing
import VolumeModel

@Suite("Credentials of requests")
struct CredentialTests {
  static let far = Deadline.never

  /// Gives what it is told, counts how often it was asked, and can be held back.
  final class Source: CredentialSource {
    let name = "a test"
    private let state: Mutex<(answers: [Result<ObjectStoreCredentials?, CredentialError>], asked: Int)>
    private let monitor = Monitor()
    private let changed: Condition
    private let isHeld: Mutex<Bool>

    init(_ answers: [Result<ObjectStoreCredentials?, CredentialError>], isHeld: Bool = false) {
      state = Mutex((answers, 0))
      changed = Condition(of: monitor)
      self.isHeld = Mutex(isHeld)
    }

    var asked: Int { state.withLock { $0.asked } }

    func release() {
      monitor.locked {
        isHeld.withLock { $0 = false }
        changed.broadcast()
      }
    }

    func fetch(by deadline: Deadline) throws(CredentialError) -> ObjectStoreCredentials? {
      monitor.locked { while isHeld.withLock({ $0 }) { changed.wait() } }
      return try state.withLock { state in
        state.asked += 1
        return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
      }.get()
    }
  }

  private func pair(_ id: String, until expiration: Int64? = nil) -> ObjectStoreCredentials {
    ObjectStoreCredentials(accessKeyID: id, secretKey: "secret", sessionToken: "token", expiration: expiration)
  }

  private func current(_ store: CredentialStore) async -> CredentialStore.Answer {
    await withCheckedContinuation { continuation in store.current { continuation.resume(returning: $0) } }
  }

  @Test("many requests at once ask the source once")
  func singleFlight() async throws {
    let source = Source([.success(pair("a"))], isHeld: true)
    let store = CredentialStore(source, clock: ManualRequestClock())
    let answers = Mutex<[String]>([])
    let group = DispatchCount(20)
    for _ in 0..<20 {
      store.current { answer in
        answers.withLock { $0.append((try? answer.get())??.accessKeyID ?? "none") }
        group.leave()
      }
    }
    source.release()
    group.wait()
    #expect(answers.withLock { $0 } == Array(repeating: "a", count: 20))
    #expect(source.asked == 1)
    _ = await current(store)
    #expect(source.asked == 1)
  }

  @Test("credentials are fetched again before they expire, and the old ones are used meanwhile")
  func refresh() async throws {
    let clock = ManualRequestClock()
    let source = Source([.success(pair("a", until: clock.wallSeconds + 1000)), .success(pair("b"))])
    let store = CredentialStore(source, clock: clock)
    #expect(try await current(store).get()?.accessKeyID == "a")
    clock.advanceWall(by: 800)
    // This one is still signed with the old pair, and makes somebody fetch the new one.
    let answer = try await current(store).get()?.accessKeyID
    #expect(answer == "a" || answer == "b")
    clock.advanceWall(by: 190)
    #expect(try await current(store).get()?.accessKeyID == "b")
    #expect(source.asked == 2)
  }

  @Test("a source that fails costs nothing while the old credentials are good, and is named when they are not")
  func failing() async throws {
    let clock = ManualRequestClock()
    let source = Source([.success(pair("a", until: clock.wallSeconds + 1000)), .failure(CredentialError("gone"))])
    let store = CredentialStore(source, clock: clock)
    _ = await current(store)
    clock.advanceWall(by: 980)
    #expect(try await current(store).get()?.accessKeyID == "a")
    #expect(store.failure?.message == "gone")
    clock.advanceWall(by: 100)
    guard case .failure(let error) = await current(store) else {
      Issue.record("expired credentials were given out")
      return
    }
    #expect(error.message == "gone")
  }

  @Test("a pair that the service refuses as expired is fetched anew, once, and the request goes on")
  func refused() throws {
    let source = Source([.success(pair("old-key")), .success(pair("new-key"))])
    let expired = ScriptedTransport.Step.reply(400, [:], "<Error><Code>ExpiredToken</Code></Error>")
    let store = try ScriptedStore([expired, .reply(200, [:], RetryTests.page)], source: source)
    _ = try store.client.perform(.list(), by: store.deadline)
    #expect(store.transport.field("Authorization", of: 0)?.contains("old-key") == true)
    #expect(store.transport.field("Authorization", of: 1)?.contains("new-key") == true)
    #expect(store.transport.field("x-amz-security-token", of: 1) == "token")
    let stubborn = try ScriptedStore([expired, expired, expired])
    #expect(stubborn.failure(.list())?.kind == .expiredCredentials)
    #expect(stubborn.transport.requests.count == 2)
  }

  @Test("new credentials are taken once the service has answered them, and not where it refuses them")
  func rotation() throws {
    let refusal = ScriptedTransport.Step.reply(403, [:], "<Error><Code>InvalidAccessKeyId</Code></Error>")
    let page = ScriptedTransport.Step.reply(200, [:], RetryTests.page(below: "p/"))
    let store = try ScriptedStore([page, refusal, page, page, page], source: GivenCredentials(pair("first-key")))
    func signer(_ place: Int) -> String? {
      store.transport.field("Authorization", of: place)?.split(separator: "/").first.map { String($0.suffix(9)) }
    }
    _ = try store.client.perform(.list(), by: store.deadline)
    let bad = #expect(throws: ObjectStoreError.self) {
      try store.client.replaceCredentials(
        with: GivenCredentials(self.pair("wrong-key")), prefix: "p/", by: store.deadline)
    }
    #expect(bad?.kind == .invalidAccessKey)
    _ = try store.client.perform(.list(), by: store.deadline)
    try store.client.replaceCredentials(with: GivenCredentials(pair("other-key")), prefix: "p/", by: store.deadline)
    _ = try store.client.perform(.list(), by: store.deadline)
    #expect((0..<5).map(signer) == ["first-key", "wrong-key", "first-key", "other-key", "other-key"])
  }

  @Test("a key that was made for one day, region and pair signs nothing else")
  func signingKeys() throws {
    let page = ScriptedTransport.Step.reply(200, [:], RetryTests.page)
    let moved = ScriptedTransport.Step.reply(400, ["x-amz-bucket-region": "eu-west-1"])
    let store = try ScriptedStore([page, page, moved, page, page])
    for place in 0..<4 {
      if place == 1 { store.clock.advanceWall(by: 86_400) }
      let other = place == 3 ? pair("other-key") : nil
      _ = try store.client.perform(.list(), by: store.deadline, with: other)
    }
    for place in 0..<5 {
      let sent = store.transport.requests[place]
      let scope = try #require(store.transport.field("Authorization", of: place)).split(separator: "/")
      let fields = sent.fields.filter { $0.name.hasPrefix("x-amz-") }.map { (name: $0.name, value: $0.value) }
      let query = sent.url.split(separator: "?")[1].split(separator: "&").map { part in
        let halves = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
        return (name: halves[0], value: halves[1])
      }
      let parts = SignatureV4.Parts(
        method: "GET", path: "/", query: query, fields: [(name: "host", value: "bucket.store.example")] + fields,
        payload: .empty)
      let day = String(scope[1])
      let signer = SignatureV4(region: String(scope[2]))
      let date = UTCTime(seconds: 1_700_000_000 + (place > 0 ? 86_400 : 0))
      #expect(date.basicDay == day)
      let credentials = place == 4 ? pair("other-key") : ScriptedStore.pair
      #expect(
        store.transport.field("Authorization", of: place) == signer.authorization(parts, by: credentials, at: date))
    }
  }

  @Test("without credentials requests are not signed")
  func anonymous() throws {
    let store = try ScriptedStore([.reply(200, [:], RetryTests.page)], source: AnonymousCredentials())
    _ = try store.client.perform(.list(), by: store.deadline)
    #expect(store.transport.field("Authorization", of: 0) == nil)
    #expect(store.transport.field("x-amz-content-sha256", of: 0) == nil)
  }

  @Test("where credentials should be had and are not, the request fails with the reason and is not sent")
  func none() throws {
    let store = try ScriptedStore([], source: Source([.failure(CredentialError("STS is away", code: "Down"))]))
    let error = try #require(store.failure(.list()))
    #expect(error.kind == .noCredentials)
    #expect(error.message == "STS is away (Down)")
    #expect(store.transport.requests.isEmpty)
  }

  @Test("the environment has pairs for S3 and for OSS, and half a pair is an error")
  func environment() throws {
    let variables = [
      "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "", "OSS_ACCESS_KEY_ID": "o",
      "OSS_ACCESS_KEY_SECRET": "p", "OSS_SESSION_TOKEN": "t",
    ]
    let s3 = EnvironmentCredentials(for: .s3) { variables[$0] }
    #expect(try s3.fetch(by: Self.far) == ObjectStoreCredentials(accessKeyID: "a", secretKey: "s"))
    let oss = EnvironmentCredentials(for: .oss) { variables[$0] }
    #expect(try oss.fetch(by: Self.far)?.sessionToken == "t")
    #expect(try EnvironmentCredentials(for: .s3) { _ in nil }.fetch(by: Self.far) == nil)
    #expect(throws: CredentialError.self) {
      try EnvironmentCredentials(for: .s3) { $0 == "AWS_ACCESS_KEY_ID" ? "a" : nil }.fetch(by: Self.far)
    }
    #expect(throws: CredentialError.self) {
      try EnvironmentCredentials(for: .s3) { _ in "with blank" }.fetch(by: Self.far)
    }
  }

  @Test("shared files are read for the profile that is asked for, credentials before configuration")
  func files() throws {
    let folder = try TemporaryDirectory("aws")
    try folder.makeDirectory(".aws")
    try folder.write(
      "[default]\naws_access_key_id=d\naws_secret_access_key=ds\n[half]\naws_access_key_id=h\n", to: ".aws/credentials")
    try folder.write(
      "[profile dev]\naws_access_key_id=e\naws_secret_access_key=es\naws_session_token=et\n", to: ".aws/config")
    func fetch(_ variables: [String: String]) throws -> ObjectStoreCredentials? {
      let all = variables.merging(["HOME": folder.path]) { own, _ in own }
      return try SharedFileCredentials { all[$0] }.fetch(by: Self.far)
    }
    #expect(try fetch([:])?.accessKeyID == "d")
    #expect(try fetch(["AWS_PROFILE": "dev"])?.sessionToken == "et")
    #expect(try fetch(["AWS_PROFILE": "other"]) == nil)
    #expect(throws: CredentialError.self) { try fetch(["AWS_PROFILE": "half"]) }
    #expect(try fetch(["HOME": "/nowhere"]) == nil)
    try folder.write("canary", to: "broken")
    let error = #expect(throws: CredentialError.self) {
      try fetch(["AWS_SHARED_CREDENTIALS_FILE": folder.appending("broken")])
    }
    #expect(error?.description.contains("line 1") == true)
    #expect(error?.description.contains("canary") == false)
  }

  @Test("a chain takes the first source that has credentials, and stops at one that should have them")
  func chain() throws {
    let empty = Source([.success(nil)])
    let full = Source([.success(pair("a"))])
    let broken = Source([.failure(CredentialError("broken"))])
    #expect(try CredentialChain([empty, full, broken]).fetch(by: Self.far)?.accessKeyID == "a")
    #expect(broken.asked == 0)
    #expect(throws: CredentialError.self) { try CredentialChain([empty, broken, full]).fetch(by: Self.far) }
    #expect(try CredentialChain([empty]).fetch(by: Self.far) == nil)
  }

  @Test("a node's credentials are its environment's first, then its files', of its own service alone")
  func node() throws {
    let folder = try TemporaryDirectory("node")
    try folder.makeDirectory(".aws")
    try folder.write("[default]\naws_access_key_id = file\naws_secret_access_key = s\n", to: ".aws/credentials")
    let files = ["HOME": folder.path, "AWS_EC2_METADATA_DISABLED": "true"]
    func fetch(_ scheme: UnderFileSystemURI.Scheme, _ more: [String: String] = [:]) throws -> String? {
      let variables = files.merging(more) { $1 }
      let transport = ScriptedTransport([])
      let node = NodeCredentials(for: scheme, transport: transport, direct: transport, region: nil) { variables[$0] }
      return try node.fetch(by: Self.far)?.accessKeyID
    }
    let aws = ["AWS_ACCESS_KEY_ID": "own", "AWS_SECRET_ACCESS_KEY": "s"]
    #expect(try fetch(.s3, aws) == "own")
    #expect(try fetch(.s3) == "file")
    #expect(try fetch(.s3, ["HOME": "/nowhere"]) == nil)
    #expect(try fetch(.oss, aws) == nil)
    #expect(try fetch(.oss, ["OSS_ACCESS_KEY_ID": "oss", "OSS_ACCESS_KEY_SECRET": "s"]) == "oss")
    #expect(throws: CredentialError.self) { try fetch(.s3, ["AWS_ACCESS_KEY_ID": "half"]) }
    let regions = ["AWS_REGION": "not a region", "AWS_DEFAULT_REGION": "eu-west-1"]
    #expect(NodeCredentials.region { regions[$0] } == "eu-west-1")
    #expect(NodeCredentials.region { _ in nil } == nil)
  }

  @Test("a web identity token is exchanged for a role's credentials, and stands in no error")
  func webIdentity() throws {
    let reply = """
      <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
      <SessionToken>st</SessionToken><SecretAccessKey>sk</SecretAccessKey><Expiration>2033-05-18T03:33:20Z</Expiration>
      <AccessKeyId>ak</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
      """
    let refusal =
      "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>canary.jwt</Message></Error></ErrorResponse>"
    let transport = ScriptedTransport([.reply(200, [:], reply), .reply(400, [:], refusal), .reply(200, [:], "?")])
    let source = WebIdentityCredentials(
      transport: transport, token: .given({ ObjectStoreSecret("canary.jwt") }), role: "arn:aws:iam::1:role/r",
      region: "eu-west-1")
    let credentials = try #require(try source.fetch(by: Self.far))
    #expect(credentials.accessKeyID == "ak")
    #expect(credentials.expiration == 2_000_000_000)
    let request = transport.requests[0]
    #expect(request.url == "https://sts.eu-west-1.amazonaws.com/")
    guard case .bytes(let body) = request.body else {
      Issue.record("no body")
      return
    }
    #expect(String(decoding: body, as: UTF8.self).contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
    let error = #expect(throws: CredentialError.self) { try source.fetch(by: Self.far) }
    #expect(error?.code == "ExpiredTokenException")
    #expect(error?.description.contains("canary") == false)
    #expect(throws: CredentialError.self) { try source.fetch(by: Self.far) }
  }

  @Test("the kubelet's tokens are told by audience, and what cannot be one is none")
  func kubeletTokens() throws {
    let json = """
      {"sts.amazonaws.com": {"token": "a.b.c", "expirationTimestamp": "2033-05-18T03:33:20Z"},
       "": {"token": "for-the-cluster"}, "odd": {"token": "two words"}, "none": {"expirationTimestamp": "x"}, "n": 1}
      """
    let tokens = try #require(ServiceAccountTokens(json))
    #expect(tokens["sts.amazonaws.com"]?.value == "a.b.c")
    #expect(tokens[""]?.value == "for-the-cluster")
    for audience in ["odd", "none", "n", "absent"] { #expect(tokens[audience] == nil) }
    for text in ["", "[]", "a.b.c", "{\"a\": {\"token\": \"canary", "{} {}"] {
      #expect(ServiceAccountTokens(text) == nil)
    }
    #expect(!"\(tokens)".contains("a.b.c"))
  }

  @Test("of several tokens the one that came last is exchanged")
  func latestToken() throws {
    let latest = Mutex<ObjectStoreSecret?>(nil)
    let transport = ScriptedTransport([.reply(200, [:], "?")])
    let source = WebIdentityCredentials(
      transport: transport, token: .given { latest.withLock { $0 } }, role: "arn:aws:iam::1:role/r", region: nil)
    let none = #expect(throws: CredentialError.self) { try source.fetch(by: Self.far) }
    #expect(none?.description.contains("no web identity token") == true && transport.requests.isEmpty)
    for token in ["first", "second"] { latest.withLock { $0 = ObjectStoreSecret(token) } }
    #expect(throws: CredentialError.self) { try source.fetch(by: Self.far) }
    guard case .bytes(let body) = transport.requests[0].body else { throw CredentialError("no body") }
    #expect(String(decoding: body, as: UTF8.self).hasSuffix("WebIdentityToken=second"))
  }

  @Test("an instance's role is asked for with a session token; where nobody answers there is none")
  func instance() throws {
    let json = """
      {"Code":"Success","AccessKeyId":"ak","SecretAccessKey":"sk","Token":"t","Expiration":"2033-05-18T03:33:20Z"}
      """
    let transport = ScriptedTransport([
      .reply(200, [:], "session"), .reply(200, [:], "my-role\n"), .reply(200, [:], json),
    ])
    let source = try #require(MetadataCredentials(transport: transport) { _ in nil })
    #expect(try source.fetch(by: Self.far)?.sessionToken == "t")
    #expect(transport.requests.map(\.method) == ["PUT", "GET", "GET"])
    #expect(transport.field("X-aws-ec2-metadata-token", of: 2) == "session")
    #expect(transport.requests[2].url.hasSuffix("/iam/security-credentials/my-role"))
    let nobody = try #require(
      MetadataCredentials(transport: ScriptedTransport([.failure(.connect)])) { _ in nil })
    #expect(try nobody.fetch(by: Self.far) == nil)
    #expect(
      MetadataCredentials(transport: transport) { $0 == "AWS_EC2_METADATA_DISABLED" ? "true" : nil } == nil)
  }

  @Test("a container's role is asked for with the token that it was given, and only at trusted places")
  func container() throws {
    let json = "{\"AccessKeyId\":\"ak\",\"SecretAccessKey\":\"sk\",\"Token\":\"t\"}"
    let transport = ScriptedTransport([.reply(200, [:], json), .reply(500)])
    let variables = [
      "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
      "AWS_CONTAINER_AUTHORIZATION_TOKEN": "canary",
    ]
    let source = try #require(MetadataCredentials(transport: transport) { variables[$0] })
    #expect(try source.fetch(by: Self.far)?.accessKeyID == "ak")
    #expect(transport.field("Authorization", of: 0) == "canary")
    let error = #expect(throws: CredentialError.self) { try source.fetch(by: Self.far) }
    #expect(error?.description.contains("canary") == false)
    let evil = ScriptedTransport([.reply(404)])
    let other = MetadataCredentials(transport: evil) {
      $0 == "AWS_CONTAINER_CREDENTIALS_FULL_URI" ? "http://evil.example/" : nil
    }
    _ = try other?.fetch(by: Self.far)
    #expect(evil.requests.allSatisfy { !$0.url.contains("evil") })
  }
}

/// Waits until something was done so often.
final class DispatchCount: Sendable {
  private let left: Mutex<Int>
  private let monitor = Monitor()
  private let changed: Condition

  init(_ count: Int) {
    left = Mutex(count)
    changed = Condition(of: monitor)
  }

  func leave() {
    monitor.locked {
      left.withLock { $0 -= 1 }
      changed.broadcast()
    }
  }

  func wait() { monitor.locked { while left.withLock({ $0 }) > 0 { changed.wait() } } }
}
