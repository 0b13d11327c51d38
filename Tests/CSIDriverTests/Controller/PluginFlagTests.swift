import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import SystemPackage
import TestSupport
import Testing

/// The program `alluxio-csi` itself, without a node service.
@Suite("Flags of alluxio-csi", .timeLimit(.minutes(2)))
struct PluginFlagTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory("flags") }

  private func start(_ arguments: [String], environment: [String] = []) throws -> PidFD {
    let log = try Descriptor.open(folder.appending("log"), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
    var spawn = Spawn(
      executable: try builtProduct("alluxio-csi"), arguments: ["alluxio-csi"] + arguments, environment: environment)
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    return try spawn.start()
  }

  private var output: String { (try? WholeFile.text(folder.appending("log"))) ?? "" }

  private func run(_ arguments: [String]) throws -> (exit: ProcessExit?, output: String) {
    let exit = try Waiting.untilEnded(try start(arguments))
    return (exit, output)
  }

  private var socket: String { folder.appending("csi/csi.sock") }
  private var flags: [String] {
    ["--mode", "controller", "--state-dir", folder.appending("state"), "--kubelet-dir", folder.path]
  }

  @Test(
    "a flag that cannot be honoured is named in one sentence",
    arguments: [
      ([], "--endpoint is missing"), (["--endpoint", "tcp://1.2.3.4:5"], "it is not a unix socket"),
      (["--endpoint", "unix:///s", "--mode", "both"], "--mode must be one of all, controller, node"),
      (["--endpoint", "unix:///s"], "--nodeid is missing"),
      (["--endpoint", "unix:///s", "--nodeid", "a b"], "--nodeid must be"),
      (["--endpoint", "unix:///s", "--driver-name", "a_b"], "--driver-name must be"),
      (["--endpoint", "unix:///s", "--registry", "kube"], "--registry must be file:DIRECTORY, kubernetes"),
      (["--endpoint", "unix:///s", "--registry", "kubernetes"], "this is no pod"),
      (["--endpoint", "unix:///s", "--registry", "kubernetes:/nowhere/config"], "/nowhere/config cannot be read"),
      (["--endpoint", "unix:///s", "--events", "all"], "--events must be none, kubernetes"),
      (["--endpoint", "unix:///s", "--nodeid", "n", "--events", "kubernetes"], "this is no pod"),
      (["--endpoint", "unix:///s", "--startup-taint", "a/b"], "--startup-taint must be none, kubernetes"),
      (["--endpoint", "unix:///s", "--startup-taint", "kubernetes"], "this is no pod"),
      (["--endpoint", "unix:///s", "--startup-taint-key", "a/b/c"], "--startup-taint-key must be the key of a taint"),
      (["--endpoint", "unix:///s", "--node-reports", "all"], "--node-reports must be none, kubernetes"),
      (["--endpoint", "unix:///s", "--registry", "file:relative"], "--registry needs an absolute path"),
      (["--endpoint", "unix:///s", "--state-dir", "/a/../b"], "--state-dir needs an absolute path"),
      (["--endpoint", "unix:///s", "--file-roots", "/a,b"], "--file-roots needs an absolute path"),
      (["--endpoint", "unix:///s", "--inline-file-roots", "x"], "--inline-file-roots needs an absolute path"),
      (["--endpoint", "unix:///s", "--max-volumes", "-1"], "--max-volumes"),
      (["--endpoint", "unix:///s", "--page-store", "pages"], "--page-store needs an absolute path"),
      (["--endpoint", "unix:///s", "--page-store-size", "much"], "--page-store-size needs a size"),
      (["--endpoint", "unix:///s", "--share-pages", "s3://b,/data"], "--share-pages needs buckets or prefixes"),
      (["--endpoint", "unix:///s", "--log-level", "loud"], "--log-level must be one of trace"),
      (["--endpoint", "unix:///s", "--log-format", "xml"], "--log-format must be one of text, json"),
      (["--endpoint", "unix:///s", "--nonsense"], "--nonsense"),
    ] as [([String], String)])
  func refused(arguments: [String], sentence: String) throws {
    let (exit, output) = try run(arguments)
    #expect(exit == .exited(code: 64))
    #expect(output.contains(sentence), "\(output)")
  }

  @Test("--version and --help answer and end")
  func version() throws {
    #expect(try run(["--version"]).output == "0.1.0\n")
    let help = try run(["--help"])
    #expect(help.exit == .exited(code: 0))
    for flag in ["--file-roots", "--inline-file-roots", "--mounter-socket", "--max-volumes", "-v, --v"] {
      #expect(help.output.contains(flag), "\(flag)")
    }
  }

  @Test(
    "it serves at the endpoint of the flag or of the environment, takes -v and --v, and ends on SIGTERM",
    arguments: [(["--v", "5"], true), (["-v", "2", "--log-format", "json"], false)])
  func serves(more: [String], usesFlag: Bool) async throws {
    try folder.makeDirectory("csi", mode: 0o700)
    let endpoint = usesFlag ? ["--endpoint", "unix://\(socket)"] : []
    let process = try start(flags + more + endpoint, environment: usesFlag ? [] : ["CSI_ENDPOINT=unix:\(socket)"])
    try Waiting.untilExists(socket)
    let calls = CSICalls(try Endpoint(path: socket))
    try await calls.probe()
    let (code, text) =
      (await #expect(throws: RPCError.self) { try await calls.info() }).map { ($0.code, $0.message) } ?? (.ok, "")
    #expect(code == .unimplemented, "\(text)")
    // Nobody asked for a bucket: libcurl and what it brings are not there.
    #expect(try !WholeFile.text("/proc/\(process.pid)/maps").contains("libcurl"))
    try process.signal(SIGTERM)
    #expect(try Waiting.untilEnded(process) == .exited(code: 0))
    #expect(access(socket, F_OK) != 0)
    #expect(output.contains(usesFlag ? "alluxio-csi: ending" : "\"message\":\"ending\""))
  }

  @Test("a second plugin at the same endpoint is refused with a clear error and leaves the first alone")
  func second() async throws {
    try folder.makeDirectory("csi", mode: 0o700)
    let arguments = flags + ["--endpoint", "unix://\(socket)"]
    let first = try start(arguments)
    try Waiting.untilExists(socket)
    let calls = CSICalls(try Endpoint(path: socket))
    try await calls.probe()
    let (exit, output) = try run(arguments)
    #expect(exit == .exited(code: 1))
    #expect(output.contains("another server already serves"))
    try await calls.probe()
    try first.signal(SIGTERM)
    _ = try Waiting.untilEnded(first)
  }

  @Test("a state folder that cannot be made is named")
  func stateFolder() throws {
    let file = try folder.write("x", to: "file")
    let (exit, output) = try run([
      "--endpoint", "unix://\(socket)", "--mode", "controller", "--state-dir", "\(file)/state",
    ])
    #expect(exit == .exited(code: 1))
    #expect(output.contains("cannot make the folder \(file)/state"))
  }

  @Test("a plugin that is killed comes back with its volumes")
  func killed() async throws {
    try folder.makeDirectory("csi", mode: 0o700)
    try folder.makeDirectory("data")
    let arguments = flags + ["--endpoint", "unix://\(socket)", "--file-roots", folder.appending("data")]
    for round in 0..<3 {
      let process = try start(arguments)
      try Waiting.untilExists(socket)
      let calls = CSICalls(try Endpoint(path: socket))
      try await calls.probe()
      for index in 0...round {
        _ = try await calls.create("v\(index)", parameters: ["path": "file://\(folder.appending("data"))"])
      }
      try process.signal(SIGKILL)
      _ = try Waiting.untilEnded(process)
      unlink(socket)
    }
    #expect(try DirectoryNames.list(folder.appending("state/registry/volumes")) == ["v0.json", "v1.json", "v2.json"])
  }
}

@Suite("Driver names")
struct DriverNameTests {
  @Test(
    "names of the specification are taken",
    arguments: ["alluxio", "a", "csi.alluxio.com", "A-1.b", String(repeating: "n", count: 63)])
  func valid(name: String) { #expect(IdentityService.isValidName(name)) }

  @Test("others are refused", arguments: ["", "-a", "a-", ".a", "a_b", "a b", "ü", String(repeating: "n", count: 64)])
  func invalid(name: String) { #expect(!IdentityService.isValidName(name)) }
}
