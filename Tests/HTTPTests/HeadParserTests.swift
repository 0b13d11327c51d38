@testable import HTTP
import TestSupport
import Testing

@Suite("Heads of answers")
struct HeadParserTests {
  private static let head = Array(
    """
    HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\nHTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r
    ETag:  "tag" \r\nx-amz-meta-long: one\r\n two\r\n\tthree\r\nSet-Cookie: a=b\r\nContent-Length: 10\r\n\r\n
    """.utf8)

  /// Lines as the library hands them over, with their ends.
  private static func parse(_ bytes: [UInt8]) -> (head: HTTPResponseHead?, isRefused: Bool) {
    var parser = HeadParser()
    for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
      let whole = Array(line) + [0x0A]
      let isTaken = whole.withUnsafeBytes { parser.add($0) }
      if !isTaken { return (nil, true) }
      if parser.head != nil { break }
    }
    return (parser.head, false)
  }

  @Test("interim answers are left out, blanks taken away, and folded lines joined")
  func whole() throws {
    let head = try #require(Self.parse(Self.head).head)
    #expect(head.status == 206)
    #expect(head["etag"] == "\"tag\"")
    #expect(head["X-AMZ-META-LONG"] == "one two three")
    #expect(head["X-Interim"] == nil)
    #expect(head.contentLength == 10)
  }

  @Test(
    "no status but those from 100 to 599 is one", arguments: ["099", "600", "999", "-99", "+20", "2e1", "20", "2000"])
  func statuses(status: String) {
    #expect(Self.parse(Array("HTTP/1.1 \(status) X\r\n\r\n".utf8)).isRefused)
  }

  @Test("a head with changed bytes is read or refused, and holds no more than came", arguments: 1...20)
  func fuzz(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
      let bytes = random.mutated(Self.head)
      guard let head = Self.parse(bytes).head else { continue }
      #expect((200...599).contains(head.status) || head.status == 101, "seed \(seed)")
      // A byte that is no UTF-8 becomes three.
      let size = head.fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count }
      #expect(size <= 3 * bytes.count, "seed \(seed)")
      #expect(head.fields.allSatisfy { !$0.value.utf8.contains(0x0A) }, "seed \(seed)")
    }
  }
}
