@testable import ObjectStore
import Testing

@Suite("Configuration files of credentials")
struct ConfigurationFileTests {
  private func parse(_ text: String) throws(ConfigurationFile.ParseError) -> ConfigurationFile {
    try ConfigurationFile(parsing: Array(text.utf8))
  }

  @Test("profiles, comments, blanks, nested settings and Windows line ends are read")
  func read() throws {
    let file = try parse(
      "# comment\r\n[default]\r\naws_access_key_id = AKIA\r\nAWS_Secret_Access_Key=a=b/c+d\r\n\n; other\n"
        + "[profile dev]\nregion= eu-west-1 \ns3 =\n  max_concurrent_requests = 20\n[empty]\n")
    #expect(file.value("aws_access_key_id", of: "default") == "AKIA")
    #expect(file.value("aws_secret_access_key", of: "default") == "a=b/c+d")
    #expect(file.value("region", of: "dev") == "eu-west-1")
    #expect(file.value("max_concurrent_requests", of: "dev") == nil)
    #expect(file.has(profile: "empty"))
    #expect(!file.has(profile: "other"))
  }

  @Test("what cannot be read is refused by its line, and its text is not repeated")
  func malformed() {
    for (text, line) in [("[default\nx", 1), ("key = canary", 1), ("[a]\n\ncanary", 3)] {
      do {
        _ = try parse(text)
        Issue.record("\(text) was read")
      } catch {
        #expect(error.line == line)
        #expect(!error.description.contains("canary"))
      }
    }
    #expect(throws: ConfigurationFile.ParseError.self) { try ConfigurationFile(parsing: [0x5B, 0xFF, 0x5D]) }
  }

  @Test("any bytes are read or refused", arguments: 0..<10)
  func fuzz(seed: UInt64) {
    var random = ListingTests.Seeded(state: seed)
    let text = Array("[default]\naws_access_key_id = AKIA\n[profile x]\n a=b\n=\n".utf8)
    for _ in 0..<300 { _ = try? ConfigurationFile(parsing: ListingTests.mutated(text, by: &random)) }
  }
}
