import HTTP
import LinuxSystem
@testable import ObjectStore
import Synchronization
import TestSupport
import Testing
import VolumeModel

/// Answers that were changed on their way, through the whole client: they are read or refused, and nothing is handed on that
/// was not asked for.
@Suite("Answers with changed bytes")
struct AnswerFuzzTests {
  private static let error = """
    <?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Please \(ScriptedStore.pair.secretKey)
    reduce your request rate: \(ScriptedStore.pair.accessKeyID).</Message><Region>eu-west-1</Region>
    <RequestId>4442587FB7D0A2F9</RequestId><HostId>host+id/=</HostId></Error>
    """

  /// Values of fields changed, fields left out.
  private static func mutated(_ fields: [String: String], _ random: inout SeededGenerator) -> [String: String] {
    var fields = fields
    for name in fields.keys.sorted() where random.oneIn(3) {
      let value = fields[name] ?? ""
      fields[name] = random.oneIn(4) ? nil : String(decoding: random.mutated(Array(value.utf8)), as: UTF8.self)
    }
    return fields
  }

  private static func text(_ original: String, _ random: inout SeededGenerator) -> String {
    random.oneIn(3) ? original : String(decoding: random.mutated(Array(original.utf8)), as: UTF8.self)
  }

  @Test("an error says what it is on one short line, without secrets and what a terminal obeys", arguments: 1...10)
  func errors(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let fields = [
      "Date": "Sat, 21 Nov 2026 15:00:00 GMT", "x-amz-request-id": "\u{9B}31mID",
      "x-amz-id-2": "host", "x-amz-bucket-region": "eu-west-1",
    ]
    for _ in 0..<60 {
      let steps = (0..<10).map { _ in
        ScriptedTransport.Step.reply(
          [200, 301, 307, 400, 403, 404, 409, 412, 416, 500, 503].randomElement(using: &random) ?? 500,
          Self.mutated(fields, &random), Self.text(Self.error, &random))
      }
      let store = try ScriptedStore(steps)
      guard let error = store.failure(.copy("a", to: "b", bucket: "bucket")) else {
        Issue.record("seed \(seed): a copy was believed")
        continue
      }
      let shown = "\(error)"
      #expect(shown.utf8.count < 4000, "seed \(seed)")
      #expect(!shown.contains(ScriptedStore.pair.secretKey) && !shown.contains(ScriptedStore.pair.accessKeyID))
      let isPlain = shown.unicodeScalars.allSatisfy { scalar in
        ![.control, .format, .lineSeparator, .paragraphSeparator].contains(scalar.properties.generalCategory)
      }
      #expect(isPlain, "seed \(seed)")
      #expect(store.transport.requests.count <= 10)
    }
  }

  /// Notes where bytes were handed to.
  private final class Places: ObjectContentSink {
    private let state = Mutex<(next: UInt64?, isRight: Bool)>((nil, true))
    let range: Range<UInt64>

    init(_ range: Range<UInt64>) { self.range = range }

    var isRight: Bool { state.withLock { $0.isRight } }
    var count: UInt64 { state.withLock { $0.next.map { $0 - range.lowerBound } ?? 0 } }

    func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception {
      let end = offset + UInt64(bytes.byteCount)
      state.withLock { state in
        if offset != state.next ?? range.lowerBound || end > range.upperBound { state.isRight = false }
        state.next = end
      }
      return .go
    }
  }

  @Test("a range is handed on in order, once, and no byte of it lies outside", arguments: 1...20)
  func ranges(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let content = Array("0123456789abcdefghijklmnopqrstuvwxyzABCD".utf8)
    for _ in 0..<60 {
      let steps = (0..<12).map { _ -> ScriptedTransport.Step in
        let first = [5, 5, 5, 7, 12].randomElement(using: &random) ?? 5
        let part = String(decoding: content[first..<25], as: UTF8.self)
        let fields = [
          "Content-Range": "bytes \(first)-24/40", "Content-Length": "\(25 - first)", "ETag": "\"v1\"",
          "Last-Modified": "Sat, 21 Nov 2026 15:00:00 GMT",
        ]
        let status = [200, 206, 206, 206, 416, 500].randomElement(using: &random) ?? 206
        let changed = Self.mutated(fields, &random)
        return random.oneIn(4)
          ? .broken(status, changed, String(part.prefix(7)), .reset)
          : .reply(status, changed, Self.text(part, &random))
      }
      let sink = Places(5..<25)
      let store = try ScriptedStore(steps)
      let version: EntityTag? = random.oneIn(2) ? EntityTag("v1") : nil
      let request = ObjectRequest<RangeResult>.get("k", offset: 5, count: 20, ifMatch: version, into: sink)
      let result = try? store.client.perform(request, by: store.deadline)
      #expect(sink.isRight, "seed \(seed)")
      if let result { #expect(result.count == sink.count, "seed \(seed)") }
    }
  }

  @Test("a listing brings no key that does not begin as was asked, and no more than a page holds", arguments: 1...10)
  func listings(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<40 {
      let steps = (0..<8).map { _ in ScriptedTransport.Step.reply(200, [:], Self.text(ListingTests.page, &random)) }
      let store = try ScriptedStore(steps)
      guard let page = try? store.client.perform(.list(prefix: "a/"), by: store.deadline) else { continue }
      #expect((page.objects.map(\.key) + page.prefixes).allSatisfy { $0.bytes.starts(with: "a/".utf8) }, "seed \(seed)")
      #expect(page.objects.allSatisfy { $0.size <= UInt64(Int64.max) }, "seed \(seed)")
    }
  }

  @Test("the answer to a listing of another prefix, or without a tag to a read of one version, is not believed")
  func otherAnswers() throws {
    func page(_ prefix: String, _ key: String) -> ScriptedTransport.Step {
      .reply(
        200, ["Content-Length": "4"],
        "<ListBucketResult><Prefix>\(prefix)</Prefix><EncodingType>url</EncodingType>"
          + (key.isEmpty ? "" : "<Contents><Key>\(key)</Key></Contents>") + "</ListBucketResult>")
    }
    let store = try ScriptedStore([
      page("a%2Fother", ""), page("a%2Fb+c", "a%2Fother"), page("", "x"), page("a%2Fb+c", "a%2Fb+c"),
      page("a/b c", "a/b%20c"), page("", ""),
    ])
    for count in [1, 1, 0] {
      let listed = try store.client.perform(.list(prefix: "a/b c"), by: store.deadline)
      #expect(listed.objects.count == count)
    }
    #expect(store.transport.requests.count == 6)
    let reader = try ScriptedStore([
      page("a", "a"), .reply(206, ["ETag": "\"v\"", "Content-Range": "bytes 0-3/4", "Content-Length": "4"], "good"),
    ])
    let sink = KeptContent()
    _ = try reader.client.perform(
      .get("k", offset: 0, count: 4, ifMatch: EntityTag("v"), into: sink), by: reader.deadline)
    #expect(sink.text == "good")
  }

  @Test("heads of objects are read or refused", arguments: 1...10)
  func heads(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let fields = [
      "Content-Length": "123", "ETag": "W/\"tag\"", "Last-Modified": "Sat, 21 Nov 2026 15:00:00 GMT",
      "x-amz-meta-a": "b", "x-amz-storage-class": "GLACIER", "Date": "Sat, 21 Nov 2026 15:00:00 GMT",
    ]
    for _ in 0..<60 {
      let steps = (0..<8).map { _ in
        ScriptedTransport.Step.reply(
          [200, 200, 503].randomElement(using: &random) ?? 200, Self.mutated(fields, &random))
      }
      let store = try ScriptedStore(steps)
      guard let info = try? store.client.perform(.head("k"), by: store.deadline) else { continue }
      #expect(info.metadata.count <= 1)
      #expect((info.lastModified?.seconds ?? 0) < 300_000_000_000, "seed \(seed)")
    }
  }

  @Test("credentials of metadata services and STS are right, or none", arguments: 1...10)
  func credentials(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let json = """
      {"Code":"Success","AccessKeyId":"ak","SecretAccessKey":"sk/+","Token":"t=","Expiration":"2033-05-18T03:33:20Z"}
      """
    let xml = """
      <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ak</AccessKeyId>
      <SecretAccessKey>sk</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2033-05-18T03:33:20Z</Expiration>
      </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
      """
    for _ in 0..<60 {
      let container = ScriptedTransport([.reply(200, [:], Self.text(json, &random))])
      let role = try #require(
        MetadataCredentials(transport: container) { $0 == "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" ? "/v2" : nil })
      let sts = WebIdentityCredentials(
        transport: ScriptedTransport([.reply(200, [:], Self.text(xml, &random))]),
        token: .given({ ObjectStoreSecret("canary.jwt") }), role: "arn:aws:iam::1:role/r", region: nil)
      for source in [role, sts] as [any CredentialSource] {
        guard let found = try? source.fetch(by: .never) else { continue }
        for text in [found.accessKeyID, found.secretKey, found.sessionToken ?? "t"] {
          #expect(ObjectStoreCredentials.isToken(Array(text.utf8)), "seed \(seed)")
        }
      }
    }
  }
}
