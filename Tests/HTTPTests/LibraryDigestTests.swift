import HTTP
import Testing

@Suite("SHA-256 of the library that libcurl brings")
struct LibraryDigestTests {
  private func hex(_ pieces: [[UInt8]]) throws -> String {
    _ = try HTTPClient()
    let digest = try #require(LibraryDigest(), "libcurl has brought no libcrypto: install libcurl4")
    for piece in pieces { digest.update(piece) }
    return try #require(digest.finish()).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  /// FIPS 180-2, appendix B, and the empty message.
  @Test(
    "the standard's examples, whole and byte by byte",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
    ])
  func examples(text: String, expected: String) throws {
    #expect(try hex([Array(text.utf8)]) == expected)
    #expect(try hex(text.utf8.map { [$0] }) == expected)
  }

  @Test("a million bytes in pieces that are no blocks")
  func long() throws {
    let pieces = (0..<1000).map { _ in [UInt8](repeating: 0x61, count: 1000) }
    #expect(try hex(pieces) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }
}
