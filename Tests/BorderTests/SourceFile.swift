import LinuxSystem
import SystemPackage
import TestSupport

/// One file of the package's sources or tests, by lines, as the border tests look at it.
struct SourceFile: Sendable {
  /// One line of code: no comment, no blanks around.
  struct Code: Sendable {
    /// From 1.
    let number: Int
    let text: String
    /// The letters, digits and underscores between everything else, for quick look-ups.
    let words: Set<Substring>
  }

  /// Below the package's folder: `Sources/LinuxSystem/Mount/Mount.swift`.
  let path: String
  let lines: [String]
  let code: [Code]
  /// Modules that it imports.
  let imports: Set<String>

  /// `Sources` or `Tests`, then the target, then the folders in it.
  var parts: [Substring] { path.split(separator: "/") }
  /// The target's folder.
  var target: String { parts.count > 1 ? String(parts[1]) : "" }
  /// Whether it lies in a `Wire` folder, where messages of C become values.
  var isWire: Bool { parts.dropLast().contains("Wire") }

  init(path: String, text: String) {
    self.path = path
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    self.lines = lines
    code = lines.enumerated().compactMap { index, line in Self.code(line, number: index + 1) }
    imports = Set(code.compactMap { Self.module(importedBy: $0.text) })
  }

  /// A `//` within a string ends the line too early, which no border minds.
  private static func code(_ line: String, number: Int) -> Code? {
    let bytes = Array(line.utf8)
    let slash = UInt8(ascii: "/")
    let end = bytes.indices.dropLast().first { bytes[$0] == slash && bytes[$0 + 1] == slash } ?? bytes.count
    let text = bytes[..<end].drop { $0 == UInt8(ascii: " ") }
    if text.isEmpty { return nil }
    let string = String(decoding: text, as: UTF8.self)
    return Code(
      number: number, text: string, words: Set(string.split { !($0.isLetter || $0.isNumber || $0 == "_") }))
  }

  /// `package import struct Module.Name` names the module right behind the kind, or behind `import`.
  private static func module(importedBy line: String) -> String? {
    let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
    guard let place = words.firstIndex(of: "import"), place <= 1, let last = words.last, place + 1 < words.count
    else { return nil }
    return last.split(separator: ".").first.map(String.init)
  }

  /// Handwritten Swift of all targets.
  static let sources = (try? all(in: "Sources")) ?? []
  /// All Swift tests, and TestSupport.
  static let tests = (try? all(in: "Tests")) ?? []

  /// All files below `folder` of the package whose names end so.
  static func all(in folder: String, suffix: String = ".swift") throws(Errno) -> [SourceFile] {
    var files: [SourceFile] = []
    for name in try DirectoryNames.list("\(BuildFolder.sources())/\(folder)") where !name.hasPrefix(".") {
      let path = "\(folder)/\(name)"
      if name.hasSuffix(suffix) {
        files.append(SourceFile(path: path, text: try WholeFile.text("\(BuildFolder.sources())/\(path)")))
      } else if let inner = try? all(in: path, suffix: suffix) {
        files += inner
      }
    }
    return files
  }
}
