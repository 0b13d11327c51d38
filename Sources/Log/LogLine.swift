import Glibc
import Logging

/// One record, ready to be written. A value message or key never breaks out of its line: control characters are
/// escaped.
struct LogLine {
  /// RFC 3339 in UTC, with milliseconds.
  var time: String
  var level: Logger.Level
  var label: String
  var message: String
  var metadata: Logger.Metadata

  /// `time level label: message key=value`; values with spaces or quotes are quoted.
  var text: String {
    var line = "\(time) \(level) \(label): \(Self.escaped(message, quotes: false))"
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      line += " \(Self.escaped(key, quotes: false))=\(Self.plain(value))"
    }
    return line + "\n"
  }

  /// An object whose first fields are time, level, logger and message.
  var json: String {
    var fields = ["time": time, "level": "\(level)", "logger": label, "message": message]
    let first = ["time", "level", "logger", "message"]
    var line =
      "{" + first.map { "\"\($0)\":\"\(Self.escaped(fields[$0] ?? "", quotes: true))\"" }.joined(separator: ",")
    for key in first { fields[key] = nil }
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !first.contains(key) {
      line += ",\"\(Self.escaped(key, quotes: true))\":\(Self.json(value))"
    }
    return line + "}\n"
  }

  private static func plain(_ value: Logger.MetadataValue) -> String {
    let text: String
    switch value {
    case .string(let string): text = string
    case .stringConvertible(let convertible): text = convertible.description
    case .array, .dictionary: return json(value)
    }
    let needsQuotes = text.isEmpty || text.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" }
    return needsQuotes ? "\"\(escaped(text, quotes: true))\"" : escaped(text, quotes: false)
  }

  private static func json(_ value: Logger.MetadataValue) -> String {
    switch value {
    case .string(let string): "\"\(escaped(string, quotes: true))\""
    case .stringConvertible(let convertible): "\"\(escaped(convertible.description, quotes: true))\""
    case .array(let values): "[\(values.map(json).joined(separator: ","))]"
    case .dictionary(let values):
      "{\(values.sorted { $0.key < $1.key }.map { "\"\(escaped($0, quotes: true))\":\(json($1))" }.joined(separator: ","))}"
    }
  }

  /// Escapes as JSON strings are (RFC 8259, section 7).
  private static func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"" where quotes: result += "\\\""
      case "\\" where quotes: result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case let control where control.value < 0x20 || control.value == 0x7F:
        result += "\\u" + padded(String(control.value, radix: 16), to: 4)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The time of day now.
  static func now() -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return stamp(seconds: time.tv_sec, milliseconds: time.tv_nsec / 1_000_000)
  }

  /// - Parameter seconds: since the epoch.
  static func stamp(seconds: Int, milliseconds: Int) -> String {
    var seconds = seconds
    var fields = tm()
    gmtime_r(&seconds, &fields)
    let date = [(fields.tm_year + 1900, 4), (fields.tm_mon + 1, 2), (fields.tm_mday, 2)]
    let clock = [(fields.tm_hour, 2), (fields.tm_min, 2), (fields.tm_sec, 2)]
    func text(_ parts: [(CInt, Int)], _ separator: String) -> String {
      parts.map { padded("\($0.0)", to: $0.1) }.joined(separator: separator)
    }
    return "\(text(date, "-"))T\(text(clock, ":")).\(padded("\(milliseconds)", to: 3))Z"
  }

  private static func padded(_ digits: String, to width: Int) -> String {
    String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
