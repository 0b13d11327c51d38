import LinuxSystem
import Testing

@Suite("Command lines")
struct CommandLineOptionsTests {
  private let known: [CommandLineOptions.Known] = [
    .init("socket"), .init("options", letter: "o"), .init("flag", takesValue: false),
    .init("help", takesValue: false, letter: "h"),
  ]

  private func read(
    _ arguments: String..., operands: Bool = false
  ) throws(CommandLineOptions.Misunderstood) -> CommandLineOptions {
    try CommandLineOptions(arguments, known: known, takesOperands: operands)
  }

  @Test("values follow a space or an equals sign, and the last one counts")
  func values() throws {
    #expect(try read("--socket", "/a")["socket"] == "/a")
    #expect(try read("--socket=/a=b")["socket"] == "/a=b")
    #expect(try read("--socket=", "--flag")["socket"] == "")
    #expect(try read("--socket", "--flag")["socket"] == "--flag")
    #expect(try read("--socket", "/a", "--socket=/b")["socket"] == "/b")
    #expect(try read()["socket"] == nil)
  }

  @Test("a letter stands for its option, with its value attached or behind")
  func letters() throws {
    let given = try read("-o", "ro", "-ouid=1", "--options=gid=2", "-h")
    #expect(given.all("options") == ["ro", "uid=1", "gid=2"])
    #expect(given["help"] == "")
    #expect(given["flag"] == nil && given.all("flag").isEmpty)
  }

  @Test("operands may stand anywhere, and behind two hyphens whatever they look like")
  func operands() throws {
    let given = try read("a", "--flag", "b", "-", "--", "--socket", "--", operands: true)
    #expect(given.operands == ["a", "b", "-", "--socket", "--"])
    #expect(given["flag"] == "" && given["socket"] == nil)
  }

  @Test(
    "what is not understood is named as it was written",
    arguments: [
      (["--sock", "/a"], "unknown argument --sock"), (["-x"], "unknown argument -x"), (["a"], "unknown argument a"),
      ([""], "unknown argument "), (["--"], "unknown argument --"), (["--nothing=1"], "unknown argument --nothing=1"),
      (["--socket"], "--socket needs a value"), (["-o"], "-o needs a value"), (["--flag=1"], "--flag takes no value"),
      (["-hx"], "-h takes no value"), (["--o", "ro"], "unknown argument --o"),
      (["-socket"], "unknown argument -socket"),
    ])
  func misunderstood(arguments: [String], sentence: String) {
    let error = #expect(throws: CommandLineOptions.Misunderstood.self) {
      try CommandLineOptions(arguments, known: known)
    }
    #expect(error?.description == sentence)
  }
}
