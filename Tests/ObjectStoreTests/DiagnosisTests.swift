import HTTP
import LinuxSystem
@testable import ObjectStore
import Testing
import VolumeModel

@Suite("What is said about an object store that cannot be used")
struct DiagnosisTests {
  private func check(
    _ steps: [ScriptedTransport.Step], address: String? = "https://store.example", region: String? = nil,
    path: String = "s3://bucket/data"
  ) throws -> Diagnosis? {
    let store = try ScriptedStore(steps, path: path, address: address, region: region)
    return store.client.check(prefix: "data/", by: store.deadline)
  }

  private static func error(_ status: Int, _ code: String, _ fields: [String: String] = [:]) -> ScriptedTransport.Step {
    .reply(status, fields, "<Error><Code>\(code)</Code><RequestId>R7</RequestId></Error>")
  }

  @Test("a store whose objects can be listed and read has nothing wrong, and neither has an empty prefix")
  func well() throws {
    let read = ScriptedTransport.Step.reply(206, ["Content-Range": "bytes 0-0/1", "ETag": "v"], "x")
    #expect(try check([.reply(200, [:], RetryTests.page(below: "data/")), read]) == nil)
    #expect(try check([.reply(200, [:], "<ListBucketResult/>")]) == nil)
    #expect(try check([.reply(200, [:], RetryTests.page(below: "data/")), Self.error(404, "NoSuchKey")]) == nil)
  }

  @Test(
    "each cause has its sentence, with the place, the key to look at and the request id",
    arguments: [
      (error(404, "NoSuchBucket"), ["there is no bucket bucket", "store.example", "R7"]),
      (error(403, "InvalidAccessKeyId"), ["does not know the access key", "s3a.accessKeyId", "R7"]),
      (error(403, "SignatureDoesNotMatch"), ["refuses the signature", "s3a.secretKey"]),
      (
        error(403, "SignatureDoesNotMatch", ["Date": UTCTime(seconds: 1_700_000_000 - 600).httpDate]),
        ["s3a.secretKey", "clock is 600 s ahead of"]
      ),
      (error(400, "ExpiredToken"), ["has expired", "secret"]),
      (error(403, "AccessDenied"), ["may not list", "below data/", "s3:ListBucket", "R7"]),
      (error(501, "NotImplemented"), ["refuses the request", "NotImplemented"]),
      (error(503, "SlowDown"), ["overloaded", "SlowDown"]),
    ])
  func causes(step: ScriptedTransport.Step, words: [String]) throws {
    let sentence = try #require(try check([step, step, step])).sentence
    for word in words { #expect(sentence.contains(word), "\(sentence)") }
    #expect(!sentence.contains("\n"))
    #expect(!sentence.contains("canary"))
  }

  @Test("a bucket of another region than the endpoint's is named with the right one")
  func region() throws {
    let moved = Self.error(301, "PermanentRedirect", ["x-amz-bucket-region": "eu-west-1"])
    let diagnosis = try #require(
      try check([moved, moved, moved], address: "s3.us-west-2.amazonaws.com", region: "us-west-2"))
    #expect(diagnosis.kind == .wrongRegion)
    #expect(diagnosis.sentence.contains("is in region eu-west-1, not us-west-2"))
    #expect(diagnosis.sentence.contains("alluxio.underfs.s3.region"))
    // Amazon's own endpoint follows, and nothing is wrong.
    #expect(try check([moved, .reply(200, [:], "<ListBucketResult/>")], address: nil) == nil)
  }

  @Test("clocks that differ, and stay so, are named")
  func clock() throws {
    let skewed = Self.error(
      403, "RequestTimeTooSkewed", ["Date": UTCTime(seconds: 1_700_000_000 + 7_200).httpDate])
    let sentence = try #require(try check([skewed, skewed])).sentence
    #expect(sentence.contains("7200 s behind"))
  }

  @Test("objects that may be listed and not read")
  func reading() throws {
    let sentence = try #require(
      try check([.reply(200, [:], RetryTests.page(below: "data/")), Self.error(403, "AccessDenied")])
    )
    .sentence
    #expect(sentence.contains("may not read"))
    #expect(sentence.contains("s3:GetObject"))
  }

  @Test(
    "what is wrong on the way is told from what the service says",
    arguments: [
      (ScriptedTransport.Step.failure(.tls), "TLS with store.example failed"),
      (.failure(.resolve, wasSent: false), "store.example cannot be reached"),
      (.failure(.connect, wasSent: false), "cannot be reached"),
      (.failure(.timeout(.response)), "does not answer in time"),
      (.reply(200, [:], "<html>welcome</html>"), "is no object store"),
      (.reply(200, [:], "nginx"), "is no object store"),
    ])
  func network(step: ScriptedTransport.Step, words: String) throws {
    let sentence = try #require(try check([step, step, step])).sentence
    #expect(sentence.contains(words), "\(sentence)")
  }

  @Test("an oss:// volume's sentences name its own keys")
  func oss() throws {
    let step = Self.error(403, "InvalidAccessKeyId")
    let sentence = try #require(
      try check([step, step], address: "oss-cn-hangzhou.aliyuncs.com", path: "oss://bucket/data")
    ).sentence
    #expect(sentence.contains("fs.oss.accessKeyId"))
  }
}
