import HTTP
import LinuxSystem
@testable import ObjectStore
import ObjectStoreServers
import SystemPackage
import Testing
import VolumeModel

/// A real server behind the fault proxy.
@Suite("Behind the fault proxy", .serialized)
struct FaultTests {
  private let store: RealStore
  private let proxy: FaultProxy
  private let client: ObjectStoreClient
  /// A quarter of a MiB in which no two places are alike.
  private static let content = (0..<65_536).flatMap { place -> [UInt8] in
    [UInt8(truncatingIfNeeded: place), UInt8(truncatingIfNeeded: place >> 8), UInt8(truncatingIfNeeded: place >> 4), 7]
  }

  init() throws {
    store = try RealStore.moto()
    proxy = try FaultProxy(before: store.server)
    client = try RealStore.client(proxy.url, store.http, RealStore.pair)
  }

  private var deadline: Deadline { .after(.seconds(60)) }

  private func read(_ key: ObjectKey, version: EntityTag? = nil) throws -> (bytes: [UInt8], hasGap: Bool) {
    let sink = KeptContent()
    let count = UInt64(Self.content.count)
    _ = try client.perform(.get(key, offset: 0, count: count, ifMatch: version, into: sink), by: deadline)
    return (sink.bytes, sink.hasGap)
  }

  @Test(
    "a read through a fault has every byte once",
    arguments: [
      Fault.reset(after: nil), .reset(after: 0), .reset(after: 1), .reset(after: 100_000), .truncate(after: 70_000),
      .truncate(after: 0), .wrongLength(by: 100), .wrongLength(by: -100), .error(500, "InternalError"),
      .error(503, "SlowDown", retryAfter: 0), .error(503, "SlowDown", retryAfter: 1), .error(504, "GatewayTimeout"),
      .noise, .garbage, .twice,
    ])
  func reads(fault: Fault) throws {
    let tag = try client.perform(.put("k", .bytes(Self.content)), by: deadline).entityTag
    try proxy.inject(fault.on(method: "GET", count: 2))
    let (bytes, hasGap) = try read("k", version: tag)
    let isWhole = bytes == Self.content
    #expect(isWhole)
    #expect(!hasGap)
    #expect(try proxy.injected()[0] > 0)
  }

  @Test("an answer to another request is not taken for this one's")
  func replay() throws {
    let tag = try client.perform(.put("k", .bytes(Self.content)), by: deadline).entityTag
    _ = try client.perform(.get("k", offset: 5, count: 100, into: KeptContent()), by: deadline)
    try proxy.inject(Fault.replay.on(method: "GET"))
    let isWhole = try read("k", version: tag).bytes == Self.content
    #expect(isWhole)
  }

  @Test(
    "a listing through a fault has every key once",
    arguments: [
      Fault.reset(after: nil), .reset(after: 50), .truncate(after: 50), .wrongLength(by: 10), .garbage, .noise,
      .error(500, "InternalError"), .error(503, "SlowDown"), .twice,
    ])
  func listings(fault: Fault) throws {
    let keys: [ObjectKey] = ["a", "b", "c/d"]
    for key in keys { _ = try client.perform(.put(key, .none), by: deadline) }
    try proxy.inject(fault.on(method: "GET", count: 2))
    #expect(try client.perform(.list(delimiter: nil), by: deadline).objects.map(\.key) == keys)
  }

  @Test("the answer to an exclusive put is lost: it was made, and by this one")
  func exclusive() throws {
    // Over a connection that was used before, which the HTTP client takes for closed by chance.
    _ = try client.perform(.list(), by: deadline)
    try proxy.inject(Fault.reset(after: nil).on(method: "PUT"))
    _ = try client.perform(.put("k", .bytes([1]), if: .absent), by: deadline)
    #expect(throws: ObjectStoreError.self) {
      try self.client.perform(.put("k", .bytes([2]), if: .absent), by: self.deadline)
    }
    #expect(try store.get("k") == [1])
  }

  @Test("the answer to a completion is lost: the object is there once, and it is known to be this one")
  func completion() throws {
    let id = try client.perform(.createUpload("k"), by: deadline)
    let part = try client.perform(.uploadPart("k", uploadID: id, number: 1, .bytes(Self.content)), by: deadline)
    try proxy.inject(Fault.reset(after: nil).on(method: "POST", path: "uploadId"))
    // moto answers a second completion with 500 instead of NoSuchUpload.
    try proxy.inject(Fault.error(404, "NoSuchUpload").on(method: "POST", path: "uploadId", count: 0))
    let size = UInt64(Self.content.count)
    let stored = try client.perform(.completeUpload("k", uploadID: id, parts: [part], size: size), by: deadline)
    #expect(stored.entityTag?.value == ObjectRequest<StoredObject>.multipartTag([part]))
    let isWhole = try store.get("k") == Self.content
    #expect(isWhole)
  }

  @Test("a part whose upload breaks is sent again", arguments: [Fault.reset(after: nil), .error(500, "InternalError")])
  func parts(fault: Fault) throws {
    let id = try client.perform(.createUpload("k"), by: deadline)
    try proxy.inject(fault.on(method: "PUT", path: "partNumber"))
    let part = try client.perform(.uploadPart("k", uploadID: id, number: 1, .bytes(Self.content)), by: deadline)
    let size = UInt64(Self.content.count)
    _ = try client.perform(.completeUpload("k", uploadID: id, parts: [part], size: size), by: deadline)
    let isWhole = try store.get("k") == Self.content
    #expect(isWhole)
  }

  @Test("the service's clock is taken over from its refusal")
  func clock() throws {
    try proxy.inject(.clockSkew(seconds: 7_200))
    _ = try client.perform(.list(), by: deadline)
    #expect((7_100...7_300).contains(client.clockOffset))
  }

  @Test("a redirect to another host is not followed, only its region is learned")
  func redirect() throws {
    let region = ["x-amz-bucket-region": "eu-west-1"]
    try proxy.inject(.redirect(301, to: "http://127.0.0.1:1/", headers: region))
    _ = try client.perform(.list(), by: deadline)
    #expect(client.endpoint.region == "eu-west-1")
    try proxy.inject(Fault.redirect(301, to: "http://127.0.0.1:1/").on(count: 0))
    let error = #expect(throws: ObjectStoreError.self) { try self.client.perform(.list(), by: self.deadline) }
    #expect(error?.kind == .wrongRegion)
  }

  @Test("a server that stops in the middle holds nobody past the deadline", arguments: [nil, 1000])
  func stalls(after bytes: Int?) throws {
    _ = try client.perform(.put("k", .bytes(Self.content)), by: deadline)
    try proxy.inject(Fault.stall(until: "later", after: bytes).on(method: "GET", count: 0))
    let sink = KeptContent()
    let error = #expect(throws: ObjectStoreError.self) {
      try self.client.perform(
        .get("k", offset: 0, count: 1 << 20, into: sink), by: .after(.milliseconds(500)))
    }
    #expect(error?.kind == .deadlineExceeded)
    #expect(Self.content.starts(with: sink.bytes))
    let diagnosis = client.check(prefix: "", by: .after(.milliseconds(500)))
    #expect(diagnosis?.sentence.contains("does not answer in time") == true, "\(String(describing: diagnosis))")
    for _ in 0..<10 { try proxy.release("later") }
  }
}
