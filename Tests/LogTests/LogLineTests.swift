import Glibc
import LinuxSystem
import Logging
import Testing

@testable import Log

@Suite("A log line")
struct LogLineTests {
  private func line(_ message: String, _ metadata: Logger.Metadata = [:]) -> LogLine {
    LogLine(time: "2026-01-31T12:00:00.000Z", level: .info, label: "fuse", message: message, metadata: metadata)
  }

  @Test("text has time, level, logger, message and the metadata in order of their keys")
  func text() {
    let text = line("mounted", ["volume": "v 1", "a": "b"]).text
    #expect(text == "2026-01-31T12:00:00.000Z info fuse: mounted a=b volume=\"v 1\"\n")
  }

  @Test("a message with line breaks stays one line")
  func oneLine() {
    #expect(line("a\nb\r\u{1}").text.hasSuffix("fuse: a\\nb\\r\\u0001\n"))
    #expect(line("x", ["k": "a\nb"]).text.hasSuffix(" k=a\\nb\n"))
  }

  @Test("json escapes quotes, backslashes and control characters")
  func json() {
    let json = line("say \"hi\\\"\t", ["list": ["a", "b"], "map": ["k": "v"], "n": .stringConvertible(3)]).json
    #expect(
      json == #"{"time":"2026-01-31T12:00:00.000Z","level":"info","logger":"fuse","message":"say \"hi\\\"\t","#
        + #""list":["a","b"],"map":{"k":"v"},"n":"3"}"# + "\n")
  }

  @Test("metadata cannot replace the record's own fields in json")
  func reserved() {
    #expect(line("real", ["message": "forged", "level": "x"]).json.contains(#""message":"real"}"#))
  }

  @Test("a time is written in UTC with milliseconds")
  func stamp() {
    #expect(LogLine.stamp(seconds: 1_769_860_800, milliseconds: 7) == "2026-01-31T12:00:00.007Z")
    #expect(LogLine.stamp(seconds: 0, milliseconds: 0) == "1970-01-01T00:00:00.000Z")
  }

  @Test("a logger writes to the descriptor what its level lets through")
  func handler() throws {
    let file = try Memfd.create(name: "log")
    let number = file.rawValue
    var log = Logger(label: "t") { LineLogHandler(label: $0, level: .notice, format: .json, descriptor: number) }
    log[metadataKey: "volume"] = "v"
    log.info("not written")
    log.notice("written", metadata: ["more": "1"])
    let text = String(decoding: try Memfd.contents(of: file), as: UTF8.self)
    #expect(text.contains(#""message":"written","more":"1","volume":"v"}"#) && !text.contains("not written"))
    #expect(text.utf8.filter { $0 == UInt8(ascii: "\n") }.count == 1)
  }
}
