@testable import ObjectStore
import Testing

@Suite("Answers in XML")
struct ListingTests {
  static let page = """
    <?xml version="1.0" encoding="UTF-8"?>
    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>a/</Prefix>
    <KeyCount>3</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>
    <Contents><Key>a%2Fb+c%01</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>
    <ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size><StorageClass>STANDARD</StorageClass>
    <Owner><ID>x</ID><DisplayName>y</DisplayName></Owner></Contents>
    <Contents><Key>a/&amp;&lt;&#x41;</Key><Size>0</Size><StorageClass>GLACIER</StorageClass></Contents>
    <CommonPrefixes><Prefix>a/d%2F</Prefix></CommonPrefixes>
    <EncodingType>url</EncodingType><NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken>
    </ListBucketResult>
    """

  private func read<Document: XMLDocument>(_ text: String, _ document: Document) throws(XMLProblem) -> Document.Value {
    try XMLReader<Document>.read(Array(text.utf8), as: document)
  }

  @Test("a page has its objects, prefixes and the way on; keys are decoded wherever the encoding is told")
  func listing() throws {
    let page = try read(Self.page, ListPageDocument())
    #expect(page.objects.map(\.key.bytes) == [Array("a/b c\u{1}".utf8), Array("a/&<A".utf8)])
    #expect(page.objects[0].size == 434_234)
    #expect(page.objects[0].entityTag?.value == "fba9dede5f27731c9771645a39863328")
    #expect(page.objects[0].lastModified?.seconds == 1_255_369_830)
    #expect(page.objects[0].storageClass == "")
    #expect(page.objects[1].storageClass == "GLACIER")
    #expect(page.prefixes == ["a/d/"])
    #expect(page.next == .token("1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="))
  }

  @Test("a page means the same in whatever pieces it comes")
  func pieces() throws {
    let bytes = Array(Self.page.utf8)
    let whole = try read(Self.page, ListPageDocument())
    for size in [1, 2, 3, 7, 64, 1000] {
      var reader = XMLReader(ListPageDocument())
      for start in stride(from: 0, to: bytes.count, by: size) {
        try reader.feed(Array(bytes[start..<min(start + size, bytes.count)]).span.bytes)
      }
      #expect(try reader.finish() == whole)
    }
  }

  @Test("a key that is not encoded stays as it is, and an absent encoding is none")
  func plain() throws {
    let text = "<ListBucketResult><Contents><Key>100%+1</Key><Size>1</Size></Contents></ListBucketResult>"
    let page = try read(text, ListPageDocument())
    #expect(page.objects.map(\.key) == ["100%+1"])
    #expect(page.next == nil)
  }

  @Test("a page that is cut without a token goes on behind its last name")
  func withoutToken() throws {
    let text =
      "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents>"
      + "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes></ListBucketResult>"
    #expect(try read(text, ListPageDocument()).next == .after("b/"))
  }

  @Test(
    "what is no listing is refused",
    arguments: [
      "", "   ", "{}", "<html><body>502</body></html>", "<ListBucketResult>", "<ListBucketResult></ListBucketResult",
      "<ListBucketResult><Contents></Contents></ListBucketResult>",
      "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
      "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
      "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%</Key></Contents></ListBucketResult>",
      "<ListBucketResult/><ListBucketResult/>",
      "<Error><Code>InternalError</Code></Error>",
    ])
  func notAListing(text: String) {
    #expect(throws: XMLProblem.self) { try read(text, ListPageDocument()) }
  }

  @Test("document types, and with them entities, are refused")
  func documentTypes() {
    let bomb =
      "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><ListBucketResult>&y;</ListBucketResult>"
    #expect(throws: XMLProblem.documentType) { try read(bomb, ListPageDocument()) }
    let external = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><ListBucketResult/>"
    #expect(throws: XMLProblem.documentType) { try read(external, ListPageDocument()) }
  }

  @Test("depth, names, texts and the whole are bounded")
  func bounds() {
    let deep = String(repeating: "<a>", count: 17)
    #expect(throws: XMLProblem.tooDeep) { try read(deep, ReplyDocument()) }
    let name = "<" + String(repeating: "n", count: 129) + "/>"
    #expect(throws: XMLProblem.tooLong) { try read(name, ReplyDocument()) }
    let text = "<a>" + String(repeating: "t", count: (32 << 10) + 1) + "</a>"
    #expect(throws: XMLProblem.tooLong) { try read(text, ReplyDocument()) }
    let many = "<a>" + String(repeating: "<b/>", count: 10_001) + "</a>"
    #expect(throws: XMLProblem.tooLong) { try read(many, ReplyDocument()) }
    var reader = XMLReader(ReplyDocument(), limit: 8)
    #expect(throws: XMLProblem.tooLong) { try reader.feed(Array("<a>text</a>".utf8).span.bytes) }
  }

  @Test("blanks that a service sends while it works come before the text")
  func blanks() throws {
    var reader = XMLReader(ReplyDocument())
    for piece in [
      "  \n", "\n\r\n ", " <?xml version=\"1.0\"?><CopyObjectResult><ETag>\"t\"</ETag>", "</CopyObjectResult>",
    ] {
      try reader.feed(Array(piece.utf8).span.bytes)
    }
    let reply = try reader.finish()
    #expect(reply.name == "CopyObjectResult")
    #expect(reply["ETag"] == "\"t\"")
  }

  @Test("errors of S3, OSS and STS are read alike")
  func errors() throws {
    let s3 = """
      <Error><Code>AuthorizationHeaderMalformed</Code><Message>The region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>
      <Region>eu-west-1</Region><RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>
      """
    let error = try #require(ErrorReply(try read(s3, ReplyDocument())))
    #expect(error.code == "AuthorizationHeaderMalformed")
    #expect(error.region == "eu-west-1")
    #expect(error.requestID == "4442587FB7D0A2F9")
    #expect(error.hostID == "host")
    let sts = """
      <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>ExpiredTokenException
      </Code><Message>expired</Message></Error><RequestId>id</RequestId></ErrorResponse>
      """
    #expect(ErrorReply(try read(sts, ReplyDocument()))?.requestID == "id")
    #expect(ErrorReply(try read("<CopyObjectResult/>", ReplyDocument())) == nil)
    #expect(ErrorReply(try read("<Error/>", ReplyDocument())) == nil)
  }

  @Test("uploads are listed with the marker of the next page")
  func uploads() throws {
    let text = """
      <ListMultipartUploadsResult><EncodingType>url</EncodingType><NextKeyMarker>k%20y</NextKeyMarker>
      <NextUploadIdMarker>u2</NextUploadIdMarker><IsTruncated>true</IsTruncated>
      <Upload><Key>a%2Fb</Key><UploadId>u1</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload>
      </ListMultipartUploadsResult>
      """
    let page = try read(text, UploadPageDocument())
    #expect(page.uploads == [ListedUpload(key: "a/b", uploadID: "u1", initiated: UTCTime(seconds: 1_289_422_113))])
    #expect(page.next == UploadPage.Marker(key: "k y", uploadID: "u2"))
  }

  @Test("a batch deletion names what it could not delete, and absence is none of it")
  func deletions() throws {
    let text = """
      <DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>
      <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>
      """
    let failures = try read(text, DeleteResultDocument())
    #expect(failures == [FailedDeletion(key: "b", code: "AccessDenied", message: "no")])
  }

  @Test("what is sent can be read back, and what XML cannot hold is refused")
  func sent() throws {
    let keys: [ObjectKey] = ["a&b<c>\"'", "\n\té", " blank "]
    let body = try #require(XMLText.deletion(of: keys))
    let reply = try XMLReader<ReplyDocument>.read(body, as: ReplyDocument())
    #expect(reply.texts.filter { $0.path == "Object/Key" }.map { ObjectKey($0.text) } == keys)
    #expect(XMLText.deletion(of: ["a\u{1}"]) == nil)
    #expect(XMLText.deletion(of: [ObjectKey(bytes: [0xFF])]) == nil)
  }

  /// A repeatable source of random numbers (SplitMix64), so that a failure can be run again.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  /// Bytes of a valid text, changed in a few places.
  static func mutated(_ bytes: [UInt8], by random: inout Seeded) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.remove(at: at)
      case 2: bytes.insert(contentsOf: Array("<&>\"%]!-".utf8).shuffled(using: &random).prefix(2), at: at)
      case 3: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...80, using: &random)))
      default:
        let end = min(bytes.count, at + Int.random(in: 1...60, using: &random))
        bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0..<bytes.count, using: &random))
      }
      if bytes.isEmpty { bytes = [0] }
    }
    return bytes
  }

  @Test("a listing with changed bytes is read or refused, alike in one piece and in many", arguments: 0..<20)
  func fuzz(seed: UInt64) throws {
    var random = Seeded(state: seed)
    for _ in 0..<200 {
      let bytes = Self.mutated(Array(Self.page.utf8), by: &random)
      let whole = try? XMLReader<ListPageDocument>.read(bytes, as: ListPageDocument())
      var reader = XMLReader(ListPageDocument())
      var pieces: ListPage?
      do {
        var rest = bytes[...]
        while !rest.isEmpty {
          let size = Int.random(in: 1...97, using: &random)
          try reader.feed(Array(rest.prefix(size)).span.bytes)
          rest = rest.dropFirst(size)
        }
        pieces = try reader.finish()
      } catch {
        pieces = nil
      }
      #expect(whole == pieces)
      _ = try? XMLReader<ReplyDocument>.read(bytes, as: ReplyDocument())
      _ = try? XMLReader<UploadPageDocument>.read(bytes, as: UploadPageDocument())
      _ = try? XMLReader<DeleteResultDocument>.read(bytes, as: DeleteResultDocument())
    }
  }

  @Test("JSON of metadata services: strings are read, all else is checked", arguments: 0..<10)
  func json(seed: UInt64) throws {
    let text = """
      {"Code" : "Success", "n": -1.5e3, "list": [1, {"a": null}, []], "AccessKeyId":"A\\u00e9\\ud83d\\ude00\\n\\/",
       "nested": {"token": "t", "x": {}}, "yes": true}
      """
    let strings = try JSONText.strings(Array(text.utf8))
    #expect(strings == ["Code": "Success", "AccessKeyId": "Aé😀\n/"])
    #expect(try JSONText.objects(Array(text.utf8)) == ["nested": ["token": "t"]])
    for bad in [
      "", "{", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}", "{\"a\":tru}", "{} {}",
      "{\"a\":\"b",
    ] {
      #expect(throws: JSONText.Malformed.self) { try JSONText.strings(Array(bad.utf8)) }
    }
    let deep = String(repeating: "[", count: 100)
    #expect(throws: JSONText.Malformed.self) { try JSONText.strings(Array("{\"a\":\(deep)".utf8)) }
    var random = Seeded(state: seed)
    for _ in 0..<200 { _ = try? JSONText.strings(Self.mutated(Array(text.utf8), by: &random)) }
  }
}
