import Testing

@Suite("The shape of the sources")
struct SourceShapeTests {
  @Test("no file of the sources is longer than 500 lines, and half have fewer than 150")
  func sourceLengths() {
    #expect(SourceFile.sources.filter { $0.lines.count > 500 }.map(\.path) == [])
    let lengths = SourceFile.sources.map(\.lines.count).sorted()
    #expect(lengths[lengths.count / 2] < 150)
  }

  @Test("no file of the tests is longer than 800 lines")
  func testLengths() {
    #expect(SourceFile.tests.filter { $0.lines.count > 800 }.map(\.path) == [])
  }

  /// Lengths of functions, by the indentation that the formatter gives their closing brace.
  static func functionLengths(_ file: SourceFile) -> [(name: String, length: Int)] {
    var found: [(String, Int)] = []
    for (start, line) in file.lines.enumerated() {
      let indentation = line.prefix { $0 == " " }.count
      let text = line.dropFirst(indentation)
      guard !text.hasPrefix("//"), text.hasPrefix("func ") || text.contains(" func ") || text.contains("init("),
        !text.hasPrefix("self."), !text.hasPrefix("try "), !text.contains("= ")
      else { continue }
      let end = String(repeating: " ", count: indentation) + "}"
      guard let last = file.lines[start...].firstIndex(of: end) else { continue }
      // A requirement of a protocol has no body: its type's brace is less indented and comes first.
      let outer = file.lines[(start + 1)..<last].contains {
        !$0.isEmpty && $0.prefix { $0 == " " }.count < indentation
      }
      if !outer { found.append((String(text), last - start + 1)) }
    }
    return found
  }

  @Test("of a hundred functions at most five have 40 lines or more")
  func functionLengths() {
    let lengths = SourceFile.sources.flatMap { Self.functionLengths($0) }
    #expect(lengths.count > 300, "functions were not found")
    let sorted = lengths.map(\.length).sorted()
    let percentile = sorted[sorted.count * 95 / 100]
    let longest = lengths.sorted { $0.length > $1.length }.prefix(5).map { "\($0.length): \($0.name)" }
    #expect(percentile < 40, "the longest are \(longest)")
  }

  /// Declarations that other targets see, and whether a doc comment stands above them. The comment above the first of
  /// several one-line declarations without a blank line between them counts for all.
  static func declarations(_ file: SourceFile) -> [(text: String, isDocumented: Bool)] {
    var found: [(String, Bool)] = []
    var previous = (index: -2, isDocumented: false)
    for (index, line) in file.lines.enumerated() {
      var words = line.split(separator: " ")
      while words.first?.hasPrefix("@") == true { words.removeFirst() }
      guard words.count > 1, words[0] == "package", words[1] != "import" else { continue }
      let text = words.joined(separator: " ")
      var above = index - 1
      while above >= 0, file.lines[above].drop(while: { $0 == " " }).hasPrefix("@") { above -= 1 }
      let isOneLine = !text.hasSuffix("{") && !text.hasSuffix("(")
      let hasComment = above >= 0 && file.lines[above].drop { $0 == " " }.hasPrefix("///")
      let isDocumented = hasComment || (isOneLine && previous.isDocumented && previous.index == index - 1)
      previous = (index, isDocumented && isOneLine)
      found.append((text, isDocumented))
    }
    return found
  }

  /// What its name says completely: memberwise initialisers, and what protocols of the standard library ask for.
  private static func needsNoWords(_ text: String) -> Bool {
    // A key of the volume context is documented by the text that it holds.
    if text.hasSuffix("= VolumeContextKey(") { return true }
    let plain = [
      "init(", "let rawValue", "var rawValue", "var description", "static func <", "static func ==", "func hash(",
    ]
    return plain.contains { text.hasPrefix("package " + $0) }
  }

  @Test("of a hundred declarations that other targets see more than 85 are documented")
  func documentation() {
    var (documented, all) = (0, 0)
    var missing: [String: Int] = [:]
    for file in SourceFile.sources {
      for declaration in Self.declarations(file) where !Self.needsNoWords(declaration.text) {
        all += 1
        if declaration.isDocumented { documented += 1 } else { missing[file.path, default: 0] += 1 }
      }
    }
    let worst = missing.sorted { $0.value > $1.value }.prefix(12).map { "\($0.key): \($0.value)" }
    #expect(all > 300, "declarations were not found")
    #expect(documented * 100 > all * 85, "\(documented) of \(all); most are missing in \(worst)")
  }

  @Test("nothing is left undone, forced or marked for later")
  func leftovers() {
    // Put together here, so that this file does not find itself.
    let marks = ["TO" + "DO", "FIX" + "ME", "fatal" + "Error("]
    var found: [String] = []
    for file in SourceFile.sources + SourceFile.tests {
      for (index, line) in file.lines.enumerated() where marks.contains(where: { line.contains($0) }) {
        found.append("\(file.path):\(index + 1): \(line)")
      }
    }
    for file in SourceFile.sources {
      for line in file.code where line.text.contains("try! ") || line.text.contains(" as! ") {
        found.append("\(file.path):\(line.number): \(line.text)")
      }
    }
    #expect(found == [])
  }

  @Test("every unchecked Sendable says why it is one")
  func uncheckedSendable() {
    var found: [String] = []
    for file in SourceFile.sources {
      for line in file.code where line.text.contains("@unchecked Sendable") {
        let around = file.lines[max(0, line.number - 8)..<min(file.lines.count, line.number + 5)]
        if !around.contains(where: { $0.contains("SAFETY") }) { found.append("\(file.path):\(line.number)") }
      }
    }
    #expect(found == [])
  }
}
