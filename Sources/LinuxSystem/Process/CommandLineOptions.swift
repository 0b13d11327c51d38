/// A command line of long options, for programs that must stay too small for a library: `--name value`, `--name=value`,
/// `--flag` and `-h`.
package struct CommandLineOptions: Sendable {
  /// One option that a program knows.
  package struct Known: Sendable {
    /// Without its two hyphens.
    package var name: String
    package var takesValue: Bool
    /// A one-letter form, or nil.
    package var letter: Character?

    package init(_ name: String, takesValue: Bool = true, letter: Character? = nil) {
      self.name = name
      self.takesValue = takesValue
      self.letter = letter
    }
  }

  /// Why a command line is not understood, for people.
  package struct Misunderstood: Error, Sendable, Hashable {
    package var text: String
  }

  /// Values by long name, the last of each; a flag's is empty.
  private var values: [String: String] = [:]

  /// - Parameter arguments: without the program's name.
  package init(_ arguments: [String], known: [Known]) throws(Misunderstood) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let option = known.first { "--\($0.name)" == parts[0] || $0.letter.map { "-\($0)" } == argument }
      guard let option else { throw Misunderstood(text: "unknown argument \(argument)") }
      if !option.takesValue {
        guard parts.count == 1 else { throw Misunderstood(text: "--\(option.name) takes no value") }
        values[option.name] = ""
      } else if let value = parts.count == 2 ? parts[1] : rest.popFirst() {
        values[option.name] = value
      } else {
        throw Misunderstood(text: "--\(option.name) needs a value")
      }
    }
  }

  /// The value of an option, empty for a flag; nil when it was not given.
  package subscript(_ name: String) -> String? { values[name] }
}
