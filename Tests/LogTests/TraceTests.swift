import Testing

@testable import Log

@Suite("Ids of traces")
struct TraceTests {
  private static let id = "0af7651916cd43dd8448eb211c80319c"

  @Test("a header's trace-id is taken over")
  func header() {
    #expect(TraceID(traceParent: "00-\(Self.id)-b7ad6b7169203331-01")?.description == Self.id)
    #expect(TraceID(traceParent: "cc-\(Self.id)-b7ad6b7169203331-01-more")?.description == Self.id)
  }

  @Test(
    "what is no trace-id gets into no log",
    arguments: [
      "", "00", id, "00-\(id)", "ff-\(id)-b7ad6b7169203331-01", "00-\(id)x-b7ad6b7169203331-01", "00-\(id)-b7ad-01",
      "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-\n\(id.dropFirst())-b7ad6b7169203331-01",
      "00-\(id.uppercased())-b7ad6b7169203331-01",
    ])
  func none(text: String) {
    #expect(TraceID(traceParent: text) == nil)
  }

  @Test("new ones are ids, and differ")
  func new() {
    let made = (0..<100).map { _ in TraceID() }
    #expect(Set(made).count == 100)
    #expect(made.allSatisfy { TraceID($0.description) == $0 })
  }
}
