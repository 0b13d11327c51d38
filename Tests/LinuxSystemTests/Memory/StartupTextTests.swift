import LinuxSystem
import Testing

@Suite("Text that only the start needs")
struct StartupTextTests {
  @Test("a process goes on after its text was given back, and has less of it resident") func lessIsResident() throws {
    let before = try residentFileKilobytes()
    StartupText.release()
    let after = try residentFileKilobytes()
    #expect(after < before)
    // Code that was given back runs again.
    #expect((1...1000).map(String.init).joined().count == 2893)
  }

  private func residentFileKilobytes() throws -> Int {
    let status = try WholeFile.text("/proc/self/status")
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssFile:") })
    return try #require(line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) })
  }
}
