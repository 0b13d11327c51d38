import Testing
import VolumeModel

@Suite("Keys that are compared by their bytes")
struct ByteKeyTests {
  let composed = "\u{E9}"
  let decomposed = "e\u{301}"

  @Test("one accented letter in two spellings is two keys, and two paths")
  func normalisation() throws {
    #expect(composed == decomposed)
    #expect(ByteKey(composed) != ByteKey(decomposed))
    #expect(Set([composed, decomposed].map(ByteKey.init)).count == 2)
    let path = try UnderFileSystemURI(parsing: "file:///data/\(composed)")
    let other = try UnderFileSystemURI(parsing: "file:///data/\(decomposed)")
    #expect(path != other)
    #expect(Set([path, other]).count == 2)
  }

  @Test("equal bytes are one key, however they came about")
  func equalBytes() {
    let key = ByteKey("volume-1")
    #expect(key == ByteKey("volume-" + String(1)))
    #expect([key: 1][ByteKey("volume-1")] == 1)
    #expect(key.description == "volume-1")
  }

  @Test("keys are in the order of their bytes")
  func order() {
    let names = ["a", "B", "\u{E9}", "e\u{301}", "z", "", "aa"]
    #expect(names.map(ByteKey.init).sorted().map(\.text) == ["", "B", "a", "aa", "e\u{301}", "z", "\u{E9}"])
  }
}
