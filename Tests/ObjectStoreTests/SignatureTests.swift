import ObjectStore
import Testing
import VolumeModel

/// The examples of AWS's own documentation ("Signature Calculations for the Authorization Header") and of its test suite
/// for Signature Version 4, computed a second time with an independent implementation.
@Suite("Signature version 4")
struct SignatureTests {
  static let documentation = ObjectStoreCredentials(
    accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
  static let suite = ObjectStoreCredentials(
    accessKeyID: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
  /// 2013-05-24 00:00:00 and 2015-08-30 12:36:00 UTC.
  static let documentationDate = UTCTime(seconds: 1_369_353_600)
  static let suiteDate = UTCTime(seconds: 1_440_938_160)
  static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  private func documentationParts(
    _ method: String, path: String, query: [(name: String, value: String)] = [],
    fields: [(name: String, value: String)] = [], hash: String = emptyHash
  ) -> SignatureV4.Parts {
    SignatureV4.Parts(
      method: method, path: path, query: query,
      fields: [
        ("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", hash), ("x-amz-date", "20130524T000000Z"),
      ] + fields, payload: .sha256(hash))
  }

  private func signature(_ parts: SignatureV4.Parts) -> String {
    let signer = SignatureV4(region: "us-east-1")
    let key = signer.signingKey(of: Self.documentation, on: Self.documentationDate.basicDay)
    return signer.signature(parts, key: key, at: Self.documentationDate)
  }

  @Test("an object is read with a range: all three texts are those of the documentation")
  func get() {
    let parts = documentationParts("GET", path: "/test.txt", fields: [("Range", "bytes=0-9")])
    #expect(
      parts.canonicalRequest == """
        GET
        /test.txt

        host:examplebucket.s3.amazonaws.com
        range:bytes=0-9
        x-amz-content-sha256:\(Self.emptyHash)
        x-amz-date:20130524T000000Z

        host;range;x-amz-content-sha256;x-amz-date
        \(Self.emptyHash)
        """)
    let signer = SignatureV4(region: "us-east-1")
    #expect(
      signer.stringToSign(parts, at: Self.documentationDate) == """
        AWS4-HMAC-SHA256
        20130524T000000Z
        20130524/us-east-1/s3/aws4_request
        7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972
        """)
    #expect(
      signer.authorization(parts, by: Self.documentation, at: Self.documentationDate)
        == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
  }

  @Test("an object is put under a key that has to be encoded")
  func put() {
    let body = Array("Welcome to Amazon S3.".utf8)
    let hash = Digest.hex(Digest.sha256(body))
    #expect(hash == "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
    let parts = documentationParts(
      "PUT", path: "/" + PercentEncoding.encode("test$file.text".utf8, keepingSlashes: true),
      fields: [("Date", Self.documentationDate.httpDate), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], hash: hash)
    #expect(parts.path == "/test%24file.text")
    #expect(signature(parts) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
  }

  @Test("a query of one name without a value")
  func lifecycle() {
    let parts = documentationParts("GET", path: "/", query: [("lifecycle", "")])
    #expect(signature(parts) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
  }

  @Test("objects are listed; the query is sorted for the signature, however it was given")
  func list() {
    for query in [[("max-keys", "2"), ("prefix", "J")], [("prefix", "J"), ("max-keys", "2")]] {
      let parts = documentationParts("GET", path: "/", query: query.map { (name: $0.0, value: $0.1) })
      #expect(signature(parts) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }
  }

  struct SuiteCase: Sendable, CustomTestStringConvertible {
    let name: String
    var method = "GET"
    var query: [(name: String, value: String)] = []
    var fields: [(name: String, value: String)] = []
    let signature: String
    var testDescription: String { name }
  }

  static let suiteCases = [
    SuiteCase(
      name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    SuiteCase(
      name: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
      signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    SuiteCase(
      name: "get-vanilla-query-order-value", query: [("Param1", "value2"), ("Param1", "value1")],
      signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
    SuiteCase(
      name: "post-vanilla", method: "POST",
      signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    SuiteCase(
      name: "get-header-value-trim", fields: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
      signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    SuiteCase(
      name: "get-header-key-duplicate",
      fields: [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
      signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
  ]

  @Test("cases of the test suite", arguments: suiteCases)
  func vectors(vector: SuiteCase) {
    let parts = SignatureV4.Parts(
      method: vector.method, path: "/", query: vector.query,
      fields: [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")] + vector.fields, payload: .empty)
    let signer = SignatureV4(region: "us-east-1", service: "service")
    let key = signer.signingKey(of: Self.suite, on: "20150830")
    let signature = signer.signature(parts, key: key, at: Self.suiteDate)
    #expect(signature == vector.signature)
  }

  @Test("keys are encoded once, byte by byte, and nothing in them is normalised")
  func encoding() {
    let key = Array("a b/..//é%2F+~&=?.txt".utf8)
    #expect(PercentEncoding.encode(key, keepingSlashes: true) == "a%20b/..//%C3%A9%252F%2B~%26%3D%3F.txt")
    #expect(PercentEncoding.encode(key) == "a%20b%2F..%2F%2F%C3%A9%252F%2B~%26%3D%3F.txt")
  }

  @Test("what a form-encoded listing says is read back, and a broken encoding is refused")
  func decoding() {
    let key = Array("a b/é%2F+~\u{1}".utf8)
    #expect(PercentEncoding.decodeForm(Array(PercentEncoding.encode(key).utf8)) == key)
    #expect(PercentEncoding.decodeForm(Array("a+b%2b".utf8)) == Array("a b+".utf8))
    #expect(PercentEncoding.decodeForm(Array("a%2".utf8)) == nil)
    #expect(PercentEncoding.decodeForm(Array("%zz".utf8)) == nil)
    #expect(PercentEncoding.decodeForm(Array("%".utf8)) == nil)
  }
}
