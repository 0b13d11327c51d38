/// The shared credentials and configuration files of AWS programs, as far as keys are read from them: sections in
/// brackets, `name = value` lines, comments.
package struct ConfigurationFile: Sendable {
  /// Sections with their values. Not shown: they hold secrets.
  private var sections: [String: [String: String]] = [:]

  /// Why a file was not read. Names the line, never its text.
  package struct ParseError: Error, Hashable, CustomStringConvertible {
    /// From 1, and what is wrong there.
    package let line: Int
    package let reason: String
    package var description: String { "line \(line) \(reason)" }
  }

  /// Larger than any that a person writes.
  package static let longest = 1 << 20

  package init(parsing bytes: [UInt8]) throws(ParseError) {
    var section: String?
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    for (place, raw) in lines.enumerated() {
      guard let text = String(validating: raw, as: UTF8.self) else {
        throw ParseError(line: place + 1, reason: "is not UTF-8")
      }
      let line = Self.trimmed(text)
      // An indented line continues the value before, as those of `s3 =` do: none of them is a key.
      let isNested = text.hasPrefix(" ") || text.hasPrefix("\t")
      if line.isEmpty || line.hasPrefix("#") || line.hasPrefix(";") || isNested { continue }
      if line.hasPrefix("[") {
        guard line.hasSuffix("]") else { throw ParseError(line: place + 1, reason: "has no closing bracket") }
        let name = Self.profile(Self.trimmed(String(line.dropFirst().dropLast())))
        section = name
        sections[name, default: [:]] = sections[name] ?? [:]
        continue
      }
      guard let equals = line.firstIndex(of: "=") else {
        throw ParseError(line: place + 1, reason: "is neither a section nor 'name = value'")
      }
      guard let section else { throw ParseError(line: place + 1, reason: "stands before the first section") }
      let name = Self.trimmed(String(line[..<equals])).lowercased()
      sections[section]?[name] = Self.trimmed(String(line[line.index(after: equals)...]))
    }
  }

  /// A value of a profile; nil where either is not there.
  package func value(_ name: String, of profile: String) -> String? { sections[profile]?[name] }

  /// Whether there is such a profile.
  package func has(profile: String) -> Bool { sections[profile] != nil }

  /// `[profile name]` in the configuration file is `[name]` in the credentials file.
  private static func profile(_ header: String) -> String {
    header.hasPrefix("profile ") ? trimmed(String(header.dropFirst(8))) : header
  }

  private static func trimmed(_ text: String) -> String {
    func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" || scalar == "\r" }
    let scalars = text.unicodeScalars.drop(while: isBlank)
    return String(String.UnicodeScalarView(scalars.reversed().drop(while: isBlank).reversed()))
  }
}
