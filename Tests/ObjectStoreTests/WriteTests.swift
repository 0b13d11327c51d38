import HTTP
@testable import ObjectStore
import SystemPackage
import Testing
import VolumeModel

@Suite("Requests that change objects")
struct WriteTests {
  static let tags = ["5d41402abc4b2a76b9719d911017c592", "7d793037a0760186574b0282f2f435e7"]
  static let parts = [
    UploadedPart(number: 1, entityTag: EntityTag(tags[0])), UploadedPart(number: 2, entityTag: EntityTag(tags[1])),
  ]

  private static func error(_ code: String) -> String { "<Error><Code>\(code)</Code></Error>" }

  @Test("a body over TLS is not hashed, one without TLS is, and both are signed")
  func payloads() throws {
    let body = HTTPBody.bytes(Array("body".utf8))
    let secure = try ScriptedStore([.reply(200, ["ETag": "\"t\""])])
    #expect(try secure.client.perform(.put("k", body), by: secure.deadline).entityTag?.value == "t")
    #expect(secure.transport.field("x-amz-content-sha256", of: 0) == "UNSIGNED-PAYLOAD")
    let plain = try ScriptedStore([.reply(200)], address: "http://store.example")
    _ = try plain.client.perform(.put("k", body), by: plain.deadline)
    #expect(plain.transport.field("x-amz-content-sha256", of: 0) == Digest.sha256Hex("body"))
    #expect(plain.transport.requests[0].url == "http://bucket.store.example/k")
  }

  @Test("an exclusive put says so, and finds that somebody was first")
  func exclusive() throws {
    let store = try ScriptedStore([.reply(412, [:], Self.error("PreconditionFailed"))])
    let error = try #require(store.failure(.put("k", .none, if: .absent)))
    #expect(store.transport.field("If-None-Match", of: 0) == "*")
    #expect(error.kind == .preconditionFailed)
    #expect(store.transport.requests.count == 1)
  }

  @Test("an exclusive put whose answer was lost recognises its own object by its mark")
  func exclusiveLost() throws {
    for isOurs in [true, false] {
      let store = try ScriptedStore([.failure(.reset), .reply(412, [:], Self.error("PreconditionFailed"))])
      let request = ObjectRequest<StoredObject>.put("k", .none, if: .absent)
      let mark = request.fields().first { $0.name == "x-amz-meta-alluxio-write" }?.value
      store.transport.append(
        .reply(200, ["Content-Length": "0", "ETag": "t", "x-amz-meta-alluxio-write": isOurs ? mark ?? "" : "other"]))
      if isOurs {
        #expect(try store.client.perform(request, by: store.deadline).entityTag?.value == "t")
      } else {
        #expect(store.failure(request)?.kind == .preconditionFailed)
      }
      #expect(store.transport.requests.map(\.method) == ["PUT", "PUT", "HEAD"])
    }
  }

  @Test("regression: what answers differently the second time is not sent again behind our back")
  func notResent() throws {
    let ok = ScriptedTransport.Step.reply(200, [:], "<CompleteMultipartUploadResult/>")
    let store = try ScriptedStore([ok, ok, ok, ok])
    _ = try store.client.perform(.put("k", .none), by: store.deadline)
    _ = try store.client.perform(.put("k", .none, if: .absent), by: store.deadline)
    _ = try store.client.perform(.put("k", .none, if: .version(EntityTag("v"))), by: store.deadline)
    _ = try store.client.perform(.completeUpload("k", uploadID: "u", parts: Self.parts, size: 1), by: store.deadline)
    #expect(store.transport.requests.map(\.mayBeResent) == [true, false, false, false])
  }

  @Test("completion sends the parts and returns the object's tag")
  func complete() throws {
    let reply = "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>"
    let store = try ScriptedStore([.reply(200, [:], "   \n" + reply)])
    let stored = try store.client.perform(
      .completeUpload("k", uploadID: "u", parts: Self.parts, size: 10), by: store.deadline)
    #expect(stored.entityTag?.value == "x-2")
    #expect(store.transport.requests[0].url == "https://bucket.store.example/k?uploadId=u")
  }

  @Test("an error behind a status of 200 is an error, and one that passes is tried again")
  func lateErrors() throws {
    let reply = "<CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>"
    let store = try ScriptedStore([.reply(200, [:], Self.error("InternalError")), .reply(200, [:], reply)])
    let request = ObjectRequest<StoredObject>.completeUpload("k", uploadID: "u", parts: Self.parts, size: 10)
    #expect(try store.client.perform(request, by: store.deadline).entityTag?.value == "x-2")
    let copy = try ScriptedStore([.reply(200, [:], Self.error("AccessDenied"))])
    #expect(copy.failure(.copy("a", to: "b", bucket: "bucket"))?.kind == .accessDenied)
    let odd = try ScriptedStore([.reply(200, [:], Self.error("SomethingNew"))])
    #expect(odd.failure(.copy("a", to: "b", bucket: "bucket"))?.kind == .other)
  }

  @Test("a completion whose answer was lost is recognised by the tag that its parts make")
  func completionLost() throws {
    let tag = try #require(ObjectRequest<StoredObject>.multipartTag(Self.parts))
    #expect(tag.hasSuffix("-2"))
    for (size, found, isOurs) in [("10", tag, true), ("10", "other-2", false), ("11", tag, false)] {
      let store = try ScriptedStore([
        .failure(.timeout(.response)), .reply(404, [:], Self.error("NoSuchUpload")),
        .reply(200, ["Content-Length": size, "ETag": "\"\(found)\""]),
      ])
      let request = ObjectRequest<StoredObject>.completeUpload("k", uploadID: "u", parts: Self.parts, size: 10)
      if isOurs {
        #expect(try store.client.perform(request, by: store.deadline).entityTag?.value == tag)
      } else {
        let error = try #require(store.failure(request))
        #expect(error.kind == .noSuchUpload)
        #expect(error.mayHaveHappened)
      }
    }
    // Nothing was lost on the way: the upload is gone, and nobody asks further.
    let gone = try ScriptedStore([.reply(404, [:], Self.error("NoSuchUpload"))])
    let request = ObjectRequest<StoredObject>.completeUpload("k", uploadID: "u", parts: Self.parts, size: 10)
    #expect(gone.failure(request)?.kind == .noSuchUpload)
    #expect(gone.transport.requests.count == 1)
  }

  @Test("a copy names its source, encoded, and its version")
  func copy() throws {
    let store = try ScriptedStore([.reply(200, [:], "<CopyObjectResult><ETag>\"t\"</ETag></CopyObjectResult>")])
    _ = try store.client.perform(
      .copy("a b/é", to: "c", bucket: "bucket", ifMatch: EntityTag("v")), by: store.deadline)
    #expect(store.transport.field("x-amz-copy-source", of: 0) == "/bucket/a%20b/%C3%A9")
    #expect(store.transport.field("x-amz-copy-source-if-match", of: 0) == "\"v\"")
  }

  @Test("a batch deletion carries its digest; more keys than a service takes, or ones that XML cannot hold, make none")
  func deletions() throws {
    let store = try ScriptedStore([.reply(200, [:], "<DeleteResult/>")])
    let request = try #require(ObjectRequest<[FailedDeletion]>.delete(["a", "b"]))
    #expect(try store.client.perform(request, by: store.deadline) == [])
    #expect(store.transport.field("Content-MD5", of: 0)?.count == 24)
    #expect(ObjectRequest<[FailedDeletion]>.delete(Array(repeating: "a", count: 1001)) == nil)
    #expect(ObjectRequest<[FailedDeletion]>.delete([]) == nil)
    #expect(ObjectRequest<[FailedDeletion]>.delete(["\u{1}"]) == nil)
  }

  @Test("secrets stand in no error, no log line and no description, whatever the service repeats")
  func secrets() throws {
    let key = ScriptedStore.pair.accessKeyID
    let repeating =
      "<Error><Code>InvalidArgument</Code><Message>key \(key) and \(ScriptedStore.pair.secretKey)</Message>"
      + "<AWSAccessKeyId>\(key)</AWSAccessKeyId><StringToSign>\(key)</StringToSign></Error>"
    let store = try ScriptedStore([.reply(400, [:], repeating)])
    let error = try #require(store.failure(.list()))
    var dumped = ""
    dump(error, to: &dumped)
    dump(store.client.credentials, to: &dumped)
    for text in ["\(error)", String(reflecting: error), dumped] { #expect(!text.contains("canary")) }
    #expect(error.message == "key *** and ***")
  }

  @Test("regression: a copy that may not replace, and whose answer was lost, is known by its tag")
  func lostCopy() throws {
    let lost = ScriptedTransport.Step.failure(.reset)
    let refused = ScriptedTransport.Step.reply(412, [:], "<Error><Code>PreconditionFailed</Code></Error>")
    for (tag, isOurs) in [("t", true), ("other", false)] {
      let store = try ScriptedStore([lost, refused, .reply(200, ["ETag": "\"\(tag)\"", "Content-Length": "1"])])
      let copy = ObjectRequest<StoredObject>.copy(
        "a", to: "b", bucket: "bucket", ifMatch: EntityTag("t"), if: .absent)
      #expect(store.failure(copy)?.kind == (isOurs ? nil : .preconditionFailed))
      #expect(store.transport.requests.map(\.method) == ["PUT", "PUT", "HEAD"])
    }
  }

  @Test("regression: a clock that is off is told from HEAD's refusal, which has no document")
  func skewedHead() throws {
    let store = try ScriptedStore([
      .reply(403, ["Date": "Wed, 15 Nov 2023 00:13:20 GMT"]), .reply(200, ["Content-Length": "1", "ETag": "\"t\""]),
      .reply(403, ["Date": "Wed, 15 Nov 2023 00:13:25 GMT"]),
    ])
    #expect(try store.client.perform(.head("k"), by: store.deadline).size == 1)
    #expect(store.client.clockOffset == 7200)
    #expect(
      try ScriptedStore([.reply(403, ["Date": "Tue, 14 Nov 2023 22:13:25 GMT"])]).failure(.head("k"))?.kind
        == .accessDenied)
  }
}
