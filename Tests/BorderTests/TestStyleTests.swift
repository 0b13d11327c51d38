import Testing

@Suite("How the tests are written")
struct TestStyleTests {
  @Test("tests wait for events: none sleeps", arguments: [("Tests", ".swift"), ("csi-sanity", ".py")])
  func sleeping(folder: String, suffix: String) throws {
    // Put together here, so that this file does not find itself.
    let calls = ["Task.sl" + "eep", "usl" + "eep(", "nanosl" + "eep(", " sl" + "eep(", "time.sl" + "eep"]
    let files = try SourceFile.all(in: folder, suffix: suffix)
    #expect(!files.isEmpty, "no files were found in \(folder)")
    let found = files.flatMap { file in
      // A random pause chooses the moment of a fault, and waits for nothing.
      file.code.filter { line in calls.contains { line.text.contains($0) } && !line.text.contains(".random(in:") }
        .map { "\(file.path):\($0.number)" }
    }
    #expect(found == [])
  }

  @Test("every test has a name that tells its situation")
  func names() {
    var found: [String] = []
    for file in SourceFile.tests {
      for line in file.code where line.text.hasPrefix("@Test") {
        // The name stands on this line, or on the next after an open parenthesis.
        let next = line.number < file.lines.count ? file.lines[line.number] : ""
        let isNamed = line.text.contains("\"") || line.text.hasSuffix("(") && next.contains("\"")
        if !isNamed { found.append("\(file.path):\(line.number)") }
      }
    }
    #expect(found == [])
  }

  @Test("tests do not fall behind the code: more lines than it has, on the way to 1.2")
  func ratio() throws {
    func lines(_ files: [SourceFile]) -> Int { files.reduce(0) { $0 + $1.code.count } }
    let code = lines(SourceFile.sources)
    // The fault matrix is a test that happens to print a table; servers and proxies of tests are written in Python.
    let python = try SourceFile.all(in: "csi-sanity", suffix: ".py") + SourceFile.all(in: "Tests", suffix: ".py")
    let test = lines(SourceFile.tests) + lines(try SourceFile.all(in: "Benchmarks/alluxio-faults")) + lines(python)
    #expect(test > code, "\(test) lines of test for \(code) lines of code")
  }
}
