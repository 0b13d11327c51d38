import HTTP
import LinuxSystem
import Logging
import ObjectStore
import ObjectStoreServers
import Synchronization
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import UnderFileSystem

/// The bucket of a real server (moto), through libcurl.
@Suite("A bucket of a service", .serialized)
struct ClientBucketTests {
  private let server: ServerProcess
  private let bucket: ClientBucket

  init() throws {
    server = try .moto()
    let http = try HTTPClient()
    let made = try http.perform(HTTPRequest(method: "PUT", url: "\(server.url)/bucket"), bodyLimit: 65_536)
    #expect(made.head.status == 200)
    var properties = ObjectStoreProperties()
    properties.address = try ObjectStoreAddress(parsing: server.url)
    let pair = ObjectStoreCredentials(accessKeyID: "key", secretKey: "secret")
    bucket = ClientBucket(
      ObjectStoreClient(
        Endpoint(try UnderFileSystemURI(parsing: "s3://bucket"), properties), transport: http,
        credentials: CredentialStore(GivenCredentials(pair)), log: Logger(label: "test")))
  }

  @Test("what a service says becomes the number that an application gets")
  func numbers() {
    func number(_ kind: ObjectStoreError.Kind) -> Errno {
      BucketError(ObjectStoreError(kind, .get, message: "")).errno
    }
    #expect(number(.noSuchKey) == .noSuchFileOrDirectory)
    #expect(number(.noSuchBucket) == .ioError)
    #expect(number(.preconditionFailed) == .staleNFSFileHandle)
    #expect(number(.accessDenied) == .permissionDenied)
    #expect(number(.storageFull) == .noSpace)
    #expect(number(.deadlineExceeded) == .timedOut)
    #expect(number(.cancelled) == .ioError)
  }

  /// Keeps a range and its end.
  private final class Kept: ObjectSink {
    private let state = Mutex<(bytes: [UInt8], tag: EntityTag?, end: BucketError??)>(([], nil, nil))
    private let monitor = Monitor()
    private let changed: Condition

    init() { changed = Condition(of: monitor) }

    func begin(_ tag: EntityTag) -> Bool {
      state.withLock { $0.tag = tag }
      return true
    }

    func receive(_ bytes: RawSpan) -> Bool {
      let copy = bytes.bytes
      state.withLock { $0.bytes += copy }
      return true
    }

    func finish(_ error: BucketError?) {
      monitor.locked {
        state.withLock { $0.end = .some(error) }
        changed.broadcast()
      }
    }

    func wait() -> (bytes: [UInt8], error: BucketError?) {
      monitor.locked {
        while true {
          let (bytes, end) = state.withLock { ($0.bytes, $0.end) }
          if let end { return (bytes, end) }
          changed.wait()
        }
      }
    }
  }

  private func kind(_ body: () throws(BucketError) -> Void) -> BucketError.Kind? {
    do throws(BucketError) {
      try body()
      return nil
    } catch {
      return error.kind
    }
  }

  @Test("objects are put, described, read in ranges of one version, copied and deleted")
  func objects() throws {
    let tag = try bucket.put("a/b", .bytes(Array("content".utf8)), ifAbsent: true)
    #expect(kind { () throws(BucketError) in _ = try bucket.put("a/b", .bytes([]), ifAbsent: true) } == .precondition)
    let version = try bucket.head("a/b")
    #expect(version.size == 7)
    #expect(version.entityTag == tag)
    #expect(version.lastModified > 1_700_000_000)
    let sink = Kept()
    let transfer = bucket.read("a/b", range: 2..<5, ifMatch: tag, into: sink)
    #expect(sink.wait().bytes == Array("nte".utf8))
    #expect(sink.wait().error == nil)
    transfer.cancel()
    let short = Kept()
    _ = bucket.read("a/b", range: 5..<50, ifMatch: tag, into: short)
    #expect(short.wait().error?.kind == .range)
    let stale = Kept()
    _ = bucket.read("a/b", range: 0..<1, ifMatch: EntityTag("other"), into: stale)
    #expect(stale.wait().error?.kind == .precondition)
    _ = try bucket.copy("a/b", ifMatch: tag, to: "c", ifAbsent: false)
    #expect(try bucket.head("c").size == 7)
    try bucket.delete("c")
    try bucket.delete("c")
    #expect(kind { () throws(BucketError) in _ = try bucket.head("c") } == .notFound)
    #expect(try bucket.delete(["a/b", "absent"]) == [])
  }

  @Test("a listing comes in pages, with prefixes")
  func listing() throws {
    for key in ["p/a", "p/b/1", "p/b/2", "p/c"] { _ = try bucket.put(ObjectKey(key), .bytes([1]), ifAbsent: false) }
    var request = ListRequest(prefix: "p/")
    request.limit = 1
    var keys: [ObjectKey] = []
    repeat {
      let page = try bucket.list(request)
      keys += page.objects.map(\.key) + page.prefixes
      request.continuation = page.continuation
    } while request.continuation != nil
    #expect(keys == ["p/a", "p/b/", "p/c"])
  }

  @Test("a file is uploaded in parts, which are completed or aborted")
  func upload() throws {
    let folder = try TemporaryDirectory("part")
    let text = String(repeating: "0123456789abcdef", count: 6 << 16)
    try folder.write("skip" + text + "rest", to: "spool")
    let file = SharedDescriptor(try Descriptor.open(folder.appending("spool"), 0))
    let upload = ObjectUpload(key: "big", uploadID: try bucket.createUpload("big"))
    let length = Int64(text.utf8.count)
    let first = try bucket.putPart(1, of: upload, .file(file, offset: 4, length: length))
    let second = try bucket.putPart(2, of: upload, .bytes([7]))
    _ = try bucket.complete(upload, parts: [(1, first), (2, second)], ifAbsent: false)
    let version = try bucket.head("big")
    #expect(version.size == length + 1)
    let sink = Kept()
    _ = bucket.read("big", range: 0..<(length + 1), ifMatch: version.entityTag, into: sink)
    let isWhole = sink.wait().bytes == Array(text.utf8) + [7]
    #expect(isWhole)
    let other = ObjectUpload(key: "other", uploadID: try bucket.createUpload("other"))
    let copied = try bucket.copyPart(1, of: other, from: "big", range: 0..<length, ifMatch: version.entityTag)
    #expect(copied == first)
    try bucket.abort(other)
    try bucket.abort(other)
  }
}
