import HTTP
@testable import ObjectStore
import Synchronization
import SystemPackage
import Testing

@Suite("Ranges of objects")
struct RangeReadTests {
  static let content = "0123456789abcdefghij"

  private func part(_ range: Range<Int>, of content: String = content, tag: String = "\"v1\"", status: Int = 206)
    -> ScriptedTransport.Step
  {
    let (fields, body) = Self.reply(range, content, tag)
    return .reply(status, fields, body)
  }

  private static func reply(_ range: Range<Int>, _ content: String, _ tag: String) -> ([String: String], String) {
    let body = String(decoding: Array(content.utf8)[range], as: UTF8.self)
    let place = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(content.utf8.count)"
    return (["Content-Range": place, "ETag": tag, "Content-Length": "\(body.utf8.count)"], body)
  }

  private func get(
    _ steps: [ScriptedTransport.Step], offset: UInt64 = 0, count: UInt64 = 20, version: String? = nil
  ) throws -> (result: RangeResult?, error: ObjectStoreError?, sink: KeptContent, store: ScriptedStore) {
    let store = try ScriptedStore(steps)
    let sink = KeptContent()
    let request = ObjectRequest<RangeResult>.get(
      "a b", offset: offset, count: count, ifMatch: version.map(EntityTag.init), into: sink)
    do throws(ObjectStoreError) {
      return (try store.client.perform(request, by: store.deadline), nil, sink, store)
    } catch {
      return (nil, error, sink, store)
    }
  }

  @Test("a range comes whole, with the object's size and version")
  func whole() throws {
    let (result, _, sink, store) = try get([part(4..<10)], offset: 4, count: 6)
    #expect(sink.text == "456789")
    #expect(result?.count == 6)
    #expect(result?.info.size == 20)
    #expect(result?.info.entityTag?.value == "v1")
    #expect(store.transport.field("Range", of: 0) == "bytes=4-9")
    #expect(store.transport.field("If-Match", of: 0) == nil)
    #expect(store.transport.requests[0].url == "https://bucket.store.example/a%20b")
  }

  @Test(
    "a connection that breaks in the middle costs no byte twice and none at all, and the rest is of the same version")
  func broken() throws {
    let (fields, body) = Self.reply(0..<20, Self.content, "\"v1\"")
    let cut = ScriptedTransport.Step.broken(206, fields, String(body.prefix(9)), .reset)
    let (rest, more) = Self.reply(9..<20, Self.content, "\"v1\"")
    let cutAgain = ScriptedTransport.Step.broken(206, rest, String(more.prefix(3)), .truncated)
    let (result, _, sink, store) = try get([cut, .reply(503), cutAgain, part(12..<20)])
    #expect(sink.text == Self.content)
    #expect(!sink.hasGap)
    #expect(result?.count == 20)
    #expect(
      (0..<4).map { store.transport.field("Range", of: $0) } == [
        "bytes=0-19", "bytes=9-19", "bytes=9-19", "bytes=12-19",
      ])
    #expect((0..<4).map { store.transport.field("If-Match", of: $0) } == [nil, "\"v1\"", "\"v1\"", "\"v1\""])
  }

  @Test("a range of a slow, breaking server is read as long as each attempt brings something")
  func manyBreaks() throws {
    let steps = (0..<20).map { place -> ScriptedTransport.Step in
      let (fields, body) = Self.reply(place..<20, Self.content, "\"v1\"")
      return .broken(206, fields, String(body.prefix(1)), .reset)
    }
    let (result, _, sink, _) = try get(steps)
    #expect(sink.text == Self.content)
    #expect(result?.count == 20)
  }

  @Test("all that was wanted came before the connection broke: that is enough")
  func brokenAtTheEnd() throws {
    let (fields, body) = Self.reply(0..<20, Self.content, "\"v1\"")
    let (result, _, sink, store) = try get([.broken(206, fields, body, .reset)])
    #expect(result?.count == 20)
    #expect(sink.text == Self.content)
    #expect(store.transport.requests.count == 1)
  }

  @Test("another version between two attempts is an error, never mixed content")
  func replacedMeanwhile() throws {
    let (fields, body) = Self.reply(0..<20, Self.content, "\"v1\"")
    let cut = ScriptedTransport.Step.broken(206, fields, String(body.prefix(9)), .reset)
    for step in [
      ScriptedTransport.Step.reply(412, [:], "<Error><Code>PreconditionFailed</Code></Error>"),
      part(9..<20, tag: "\"v2\""), part(9..<20, of: Self.content + Self.content),
    ] {
      let (_, error, sink, _) = try get([cut, step])
      #expect(error?.kind == .preconditionFailed)
      #expect(Self.content.hasPrefix(sink.text))
    }
  }

  @Test("a service that ignores If-Match does not get away with another version")
  func ignoredCondition() throws {
    let (_, error, sink, _) = try get([part(0..<20, tag: "v2")], version: "v1")
    #expect(error?.kind == .preconditionFailed)
    #expect(sink.text == "")
  }

  @Test("regression: rclone says 200 for a part, with its range")
  func partWithStatusOfWhole() throws {
    let (result, _, sink, _) = try get([part(4..<10, status: 200)], offset: 4, count: 6)
    #expect(sink.text == "456789")
    #expect(result?.info.size == 20)
  }

  @Test("regression: a body of another length than its range says is not believed")
  func lengthOfAnotherBody() throws {
    let garbage = ScriptedTransport.Step.reply(
      206, ["Content-Range": "bytes 0-19/20", "Content-Length": "7", "ETag": "\"v1\""], "garbage")
    let (result, _, sink, _) = try get([garbage, part(0..<20)], version: "v1")
    #expect(sink.text == Self.content)
    #expect(result?.count == 20)
  }

  private final class PausingSink: ObjectContentSink {
    func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception { .pause }
  }

  /// Something that one thread hands to another.
  private final class Handover<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let count = DispatchCount(1)
    func give(_ new: Value) {
      value.withLock { $0 = new }
      count.leave()
    }
    func take() -> Value? {
      count.wait()
      return value.withLock { $0 }
    }
  }

  @Test("a resumption that comes before the transfer is known is not lost")
  func resumedEarly() throws {
    let (fields, body) = Self.reply(0..<20, Self.content, "\"v1\"")
    let exchange = Handover<ObjectExchange>()
    let result = Handover<Result<RangeResult, ObjectStoreError>>()
    let store = try ScriptedStore([.paused(206, fields, body) { exchange.take()?.resume() }])
    let request = ObjectRequest<RangeResult>.get("k", offset: 0, count: 20, into: PausingSink())
    exchange.give(store.client.start(request, by: store.deadline) { result.give($0) })
    #expect(try result.take()?.get().count == 20)
  }

  @Test("the end of the object cuts a range, and behind it is nothing")
  func end() throws {
    let (result, _, sink, _) = try get([part(15..<20)], offset: 15, count: 100)
    #expect(result?.count == 5)
    #expect(sink.text == "fghij")
    let (_, error, _, _) = try get([.reply(416, [:], "<Error><Code>InvalidRange</Code></Error>")], offset: 20, count: 1)
    #expect(error?.kind == .invalidRange)
  }

  @Test("a service that knows no ranges serves reads from the start, and no more than was asked for is delivered")
  func noRanges() throws {
    let all = ScriptedTransport.Step.reply(200, ["ETag": "v1", "Content-Length": "20"], Self.content)
    let (result, _, sink, _) = try get([all], count: 5)
    #expect(sink.text == "01234")
    #expect(result?.count == 5)
    let (_, error, none, _) = try get(Array(repeating: all, count: 8), offset: 5, count: 5)
    #expect(error?.kind == .malformedReply)
    #expect(none.text == "")
  }

  @Test(
    "an answer that is not the range that was asked for is not believed",
    arguments: [
      "", "bytes 0-18/20", "bytes 1-19/20", "bytes 0-20/20", "bytes 0-19/*", "bytes */20", "0-19/20", "bytes 19-0/20",
      "bytes 0-99999999999999999999/20", "bytes 0-19/20/20", "bytes 0-30/40",
    ])
  func wrongRange(field: String) throws {
    let step = ScriptedTransport.Step.reply(206, ["Content-Range": field, "ETag": "v1"], Self.content)
    let (result, error, sink, _) = try get(Array(repeating: step, count: 8))
    // A shorter range is fine as long as the rest comes, which here it never does.
    #expect(result == nil)
    #expect(error != nil)
    #expect(Self.content.hasPrefix(sink.text))
  }

  @Test("any Content-Range is read or refused", arguments: 0..<10)
  func fuzz(seed: UInt64) {
    var random = ListingTests.Seeded(state: seed)
    for _ in 0..<500 {
      let text = String(
        decoding: ListingTests.mutated(Array("bytes 100-19999/200000".utf8), by: &random), as: UTF8.self)
      if let range = ContentRange(text) {
        #expect(range.first <= range.last)
        #expect(range.last < range.size)
      }
      _ = RetryAfter.duration(text, at: UTCTime(seconds: 0))
      _ = UTCTime(httpDate: text)
      _ = EntityTag(text)
    }
  }
}
