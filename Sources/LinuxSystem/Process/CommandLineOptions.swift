/// A command line for programs that must stay too small for a library, with the conventions of getopt_long(3):
/// `--name value`, `--name=value`, `--flag`, `-o value`, `-ovalue`, and `--` before what is no option.
///
/// getopt_long itself keeps its place and its results in global variables, writes to memory that its caller has to lay
/// out, and names no unknown option; around it there would be more code than here, and unsafe code.
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

  /// Why a command line is not understood, with the option as it was written.
  package enum Misunderstood: Error, Sendable, Hashable, CustomStringConvertible {
    case unknown(String)
    case needsValue(String)
    case takesNoValue(String)

    package var description: String {
      switch self {
      case .unknown(let argument): "unknown argument \(argument)"
      case .needsValue(let option): "\(option) needs a value"
      case .takesNoValue(let option): "\(option) takes no value"
      }
    }
  }

  /// By long name, in the order given; a flag's are empty.
  private var values: [String: [String]] = [:]
  /// What is neither an option nor an option's value.
  package private(set) var operands: [String] = []

  /// - Parameters:
  ///   - arguments: without the program's name.
  ///   - takesOperands: false: whatever is no option is unknown.
  package init(_ arguments: [String], known: [Known], takesOperands: Bool = false) throws(Misunderstood) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if takesOperands, argument == "--" {
        operands += rest
        return
      }
      if takesOperands, argument == "-" || argument.utf8.first != UInt8(ascii: "-") {
        operands.append(argument)
        continue
      }
      let (name, attached) = Self.parts(argument)
      guard let option = known.first(where: { name == "--\($0.name)" || $0.letter.map { name == "-\($0)" } == true })
      else { throw .unknown(argument) }
      if !option.takesValue, attached != nil { throw .takesNoValue(name) }
      guard let value = option.takesValue ? attached ?? rest.popFirst() : "" else { throw .needsValue(name) }
      values[option.name, default: []].append(value)
    }
  }

  /// The option as it is written, and the value that is attached to it.
  private static func parts(_ argument: String) -> (name: String, value: String?) {
    if argument.utf8.starts(with: "--".utf8) {
      let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      return (halves[0], halves.count == 2 ? halves[1] : nil)
    }
    return (String(argument.prefix(2)), argument.count > 2 ? String(argument.dropFirst(2)) : nil)
  }

  /// The last value of an option, empty for a flag; nil when it was not given.
  package subscript(_ name: String) -> String? { values[name]?.last }

  /// Every value of an option that may be repeated.
  package func all(_ name: String) -> [String] { values[name] ?? [] }
}
