import HTTP
import LinuxSystem
import Logging
@testable import ObjectStore
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing
import VolumeModel

/// A client of a server in another process, over libcurl.
struct RealStore {
  static let pair = ObjectStoreCredentials(
    accessKeyID: "canary-access-key-0123456789", secretKey: "canary-secret-key-0123456789")

  let server: ServerProcess
  let http: HTTPClient
  let client: ObjectStoreClient
  private let folder: TemporaryDirectory?

  /// `rclone serve s3` with one bucket: it verifies signatures.
  static func rclone(_ credentials: ObjectStoreCredentials = pair) throws -> RealStore {
    let folder = try TemporaryDirectory("store")
    try folder.makeDirectory("bucket")
    let server = try ServerProcess.rclone(
      folder: folder.path, accessKey: pair.accessKeyID, secretKey: pair.secretKey)
    return try RealStore(server, folder, credentials)
  }

  /// moto with one bucket: it honours conditions and does multipart uploads.
  static func moto() throws -> RealStore {
    let store = try RealStore(ServerProcess.moto(), nil, pair)
    let made = try store.http.perform(HTTPRequest(method: "PUT", url: "\(store.server.url)/bucket"), bodyLimit: 65_536)
    #expect(made.head.status == 200)
    return store
  }

  private init(
    _ server: ServerProcess, _ folder: TemporaryDirectory?, _ credentials: ObjectStoreCredentials
  ) throws {
    self.server = server
    self.folder = folder
    http = try HTTPClient()
    client = try Self.client(server.url, http, credentials)
  }

  static func client(
    _ url: String, _ http: HTTPClient, _ credentials: ObjectStoreCredentials, bucket: String = "bucket"
  ) throws -> ObjectStoreClient {
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: url)
    return ObjectStoreClient(
      Endpoint(try UnderFileSystemURI(parsing: "s3://\(bucket)"), properties), transport: http,
      credentials: CredentialStore(GivenCredentials(credentials)), log: Logger(label: "test"))
  }

  var deadline: Deadline { .after(.seconds(60)) }

  func perform<Value>(_ request: ObjectRequest<Value>) throws(ObjectStoreError) -> Value {
    try client.perform(request, by: deadline)
  }

  func put(_ key: ObjectKey, _ text: String, if condition: PutCondition = .none) throws(ObjectStoreError)
    -> StoredObject
  {
    try perform(.put(key, .bytes(Array(text.utf8)), if: condition))
  }

  func get(_ key: ObjectKey, offset: UInt64 = 0, count: UInt64 = 1 << 20, version: EntityTag? = nil)
    throws(ObjectStoreError) -> [UInt8]
  {
    let sink = KeptContent()
    _ = try perform(.get(key, offset: offset, count: count, ifMatch: version, into: sink))
    return sink.bytes
  }

  func kind<Value>(_ request: ObjectRequest<Value>) -> ObjectStoreError.Kind? {
    do throws(ObjectStoreError) {
      _ = try perform(request)
      return nil
    } catch {
      return error.kind
    }
  }

  /// All keys and prefixes, page by page.
  func list(_ prefix: ObjectKey = "", delimiter: String? = "/", limit: Int = 1000) throws -> (
    keys: [ObjectKey], prefixes: [ObjectKey], pages: Int
  ) {
    var (keys, prefixes, pages) = ([ObjectKey](), [ObjectKey](), 0)
    var next: ListPage.Continuation?
    repeat {
      let page = try perform(.list(prefix: prefix, delimiter: delimiter, continuation: next, limit: limit))
      keys += page.objects.map(\.key)
      prefixes += page.prefixes
      pages += 1
      next = page.next
    } while next != nil && pages < 1000
    return (keys, prefixes, pages)
  }
}

@Suite("Real servers", .serialized)
struct RealStoreTests {
  static let awkward: [ObjectKey] = [
    "a b+c&d=e?f#g%h", "é/ü/日本語", "dir/~tilde'(paren)*!.txt", "dir/semi;colon,comma@at:colon", "plus+and space",
  ]

  @Test("a server that verifies signatures takes those of awkward keys, queries and bodies")
  func signatures() throws {
    let store = try RealStore.rclone()
    for key in Self.awkward {
      _ = try store.put(key, "content of \(key)")
      #expect(try store.perform(.head(key)).size == UInt64("content of \(key)".utf8.count))
      #expect(try store.get(key) == Array("content of \(key)".utf8))
      #expect(try store.get(key, offset: 3, count: 4) == Array("tent".utf8))
    }
    let listed = try store.list(delimiter: nil)
    #expect(Set(listed.keys) == Set(Self.awkward))
    #expect(try store.list("dir/").keys.count == 2)
    #expect(Set(try store.list().prefixes) == ["dir/", "é/"])
    let rest = try #require(ObjectRequest<[FailedDeletion]>.delete(Array(Self.awkward.dropFirst())))
    #expect(try store.perform(rest) == [])
    try store.perform(.delete(Self.awkward[0]))
    #expect(try store.list(delimiter: nil).keys == [])
    #expect(store.kind(.head("absent")) == .noSuchKey)
  }

  @Test("wrong keys, an absent bucket and a closed port are told apart")
  func diagnoses() throws {
    let store = try RealStore.rclone()
    #expect(store.client.check(prefix: "", by: store.deadline) == nil)
    _ = try store.put("k", "content")
    #expect(store.client.check(prefix: "", by: store.deadline) == nil)
    let other = ObjectStoreCredentials(
      accessKeyID: "canary-unknown-key-012345678", secretKey: "canary-unknown-secret-0123")
    let wrong = ObjectStoreCredentials(accessKeyID: RealStore.pair.accessKeyID, secretKey: "canary-wrong-secret-012345")
    var sentences: [String] = []
    for credentials in [other, wrong] {
      let client = try RealStore.client(store.server.url, store.http, credentials)
      let diagnosis = try #require(client.check(prefix: "", by: store.deadline))
      #expect([.invalidAccessKey, .badSignature, .accessDenied].contains(diagnosis.kind), "\(diagnosis)")
      sentences.append(diagnosis.sentence)
    }
    let absent = try RealStore.client(store.server.url, store.http, RealStore.pair, bucket: "absent-bucket")
    let diagnosis = try #require(absent.check(prefix: "", by: store.deadline))
    #expect(diagnosis.kind == .noSuchBucket, "\(diagnosis)")
    sentences.append(diagnosis.sentence)
    let closed = try RealStore.client("http://127.0.0.1:1", store.http, RealStore.pair)
    let unreachable = try #require(closed.check(prefix: "", by: store.deadline))
    #expect(unreachable.kind == .unreachable, "\(unreachable)")
    sentences.append(unreachable.sentence)
    let tls = try RealStore.client(
      store.server.url.replacing("http://", with: "https://"), store.http, RealStore.pair)
    let encrypted = try #require(tls.check(prefix: "", by: store.deadline))
    #expect(encrypted.kind == .tls, "\(encrypted)")
    sentences.append(encrypted.sentence)
    #expect(sentences.allSatisfy { !$0.contains("canary") && !$0.contains("\n") }, "\(sentences)")
  }

  @Test("conditions: exclusive creation, reads of one version, replacement of one version")
  func conditions() throws {
    let store = try RealStore.moto()
    let first = try store.put("k", "one", if: .absent)
    #expect(throws: ObjectStoreError.self) { try store.put("k", "two", if: .absent) }
    let tag = try #require(first.entityTag)
    #expect(try store.get("k", version: tag) == Array("one".utf8))
    _ = try store.put("k", "three")
    #expect(store.kind(.get("k", offset: 0, count: 3, ifMatch: tag, into: KeptContent())) == .preconditionFailed)
    #expect(store.kind(.get("k", offset: 99, count: 3, into: KeptContent())) == .invalidRange)
    #expect(store.kind(.get("absent", offset: 0, count: 1, into: KeptContent())) == .noSuchKey)
  }

  @Test("a multipart upload is made, listed, completed, copied and, where it is aborted, gone")
  func multipart() throws {
    let store = try RealStore.moto()
    let id = try store.perform(.createUpload("big", metadata: ["by": "test"]))
    let body = [UInt8](repeating: 7, count: 5 << 20)
    let one = try store.perform(.uploadPart("big", uploadID: id, number: 1, .bytes(body)))
    let two = try store.perform(.uploadPart("big", uploadID: id, number: 2, .bytes([1, 2, 3])))
    #expect(try store.perform(.listUploads()).uploads.map(\.key) == ["big"])
    let size = UInt64(body.count + 3)
    let stored = try store.perform(.completeUpload("big", uploadID: id, parts: [one, two], size: size))
    #expect(stored.entityTag?.value == ObjectRequest<StoredObject>.multipartTag([one, two]))
    let info = try store.perform(.head("big"))
    #expect(info.size == size)
    #expect(info.metadata["by"] == "test")
    #expect(try store.get("big", offset: UInt64(body.count), count: 10) == [1, 2, 3])
    _ = try store.perform(.copy("big", to: "copy of big", bucket: "bucket", ifMatch: info.entityTag))
    #expect(try store.perform(.head("copy of big")).size == size)
    let partly = try store.perform(.createUpload("partly"))
    let copied = try store.perform(
      .copyPart("big", range: 0...(5 << 20), to: "partly", bucket: "bucket", uploadID: partly, number: 1))
    #expect(copied.number == 1)
    try store.perform(.abortUpload("partly", uploadID: partly))
    #expect(try store.perform(.listUploads()).uploads == [])
  }

  @Test("a listing of 2500 keys comes in pages, each key once and in order")
  func pages() throws {
    let store = try RealStore.moto()
    let keys = (0..<2500).map { ObjectKey("p/\(String(repeating: "0", count: 4 - "\($0)".utf8.count))\($0)") }
    let done = DispatchCount(keys.count)
    for key in keys {
      store.client.start(.put(key, .none), by: store.deadline) { _ in done.leave() }
    }
    done.wait()
    let listed = try store.list("p/")
    #expect(listed.keys == keys)
    #expect(listed.pages == 3)
    for start in stride(from: 0, to: keys.count, by: 1000) {
      let batch = try #require(
        ObjectRequest<[FailedDeletion]>.delete(Array(keys[start..<min(start + 1000, keys.count)])))
      #expect(try store.perform(batch) == [])
    }
    #expect(try store.list().prefixes == [])
    #expect((store.client.statistics.current.operations[.put]?.requests ?? 0) >= 2500)
  }

  @Test("a role is taken by web identity at a real STS")
  func webIdentity() throws {
    let store = try RealStore.moto()
    let source = WebIdentityCredentials(
      transport: store.http, token: .given({ ObjectStoreSecret("header.payload.signature") }),
      role: "arn:aws:iam::123456789012:role/reader", region: "us-east-1",
      endpoint: try ObjectStoreAddress(parsing: store.server.url))
    let credentials = try #require(try source.fetch(by: store.deadline))
    #expect(credentials.sessionToken != nil)
    #expect(credentials.expiration ?? 0 > 1_700_000_000)
  }
}
