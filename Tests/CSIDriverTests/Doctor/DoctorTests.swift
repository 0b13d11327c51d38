import CSIDriver
import FoundationEssentials
import Glibc
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// `alluxio-csi doctor`, the program.
@Suite("A node's doctor", .serialized)
struct DoctorTests {
  private func run(
    _ arguments: [String]
  ) async throws -> (exit: ProcessExit?, output: String) {
    let folder = try TemporaryDirectory("doctor")
    let log = try Descriptor.open(folder.appending("log"), O_WRONLY | O_CREAT, mode: 0o600)
    var spawn = Spawn(
      executable: try builtProduct("alluxio-csi"), arguments: ["alluxio-csi", "doctor"] + arguments,
      environment: [])
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    let process = SharedBox(try spawn.start())
    let exit = try await OwnThread.run { try Waiting.untilEnded(process.value) }
    return (exit, try WholeFile.text(folder.appending("log")))
  }

  private func states(_ json: String) throws -> [String: [Finding.State]] {
    let report = try JSONDecoder().decode(CheckupReport.self, from: Data(json.utf8))
    return Dictionary(grouping: report.findings, by: \.check).mapValues { $0.map(\.state) }
  }

  @Test("a node that serves volumes is well; without its plugin one line says so", .requiresFuse)
  func node() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      let kubelet = plugin.folder.appending("kubelet")
      let registry = try plugin.folder.makeDirectory("kubelet/plugins_registry", mode: 0o700)
      // The plugin stands for the registrar, whose methods nobody asks for.
      #expect(symlink(plugin.folder.appending("csi/csi.sock"), "\(registry)/alluxio-reg.sock") == 0)
      let node = [
        "--kubelet-dir", kubelet, "--state-dir", plugin.folder.appending("state"), "--endpoint",
        "unix://\(plugin.folder.appending("csi/csi.sock"))", "--ufs", "file://\(plugin.data)",
      ]
      let (exit, json) = try await run(node + ["--json"])
      #expect(exit == .exited(code: 0), "\(json)")
      let found = try states(json)
      for check in ["kernel", "propagation", "plugin", "registration", "mounter", "file system"] {
        #expect(found[check]?.first == .ok, "\(check): \(json)")
      }
      #expect(found.keys.contains("cgroups") && found.keys.contains("page store"), "\(json)")
      try plugin.kill()
      let (end, text) = try await run(node)
      #expect(end == .exited(code: 1))
      let failed = text.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
      let expected = ["FAIL  plugin", "FAIL  registration"]
      #expect(failed.count == 2 && zip(failed, expected).allSatisfy { $0.hasPrefix($1) }, "\(text)")
      #expect(text.contains("OK    mounter        it answers"), "\(text)")
      try await plugin.restart()
      TemporaryDirectory.removeTree(registry)
    }
  }

  @Test("a bucket is tried with keys of a folder, which no line shows", .requiresFuse)
  func bucket() async throws {
    let store = try TestStore.rclone()
    let secret = try TemporaryDirectory("secret")
    // As the kubelet writes it: what is seen are links.
    try secret.makeDirectory("..data")
    for (name, value) in TestStore.secrets() {
      try secret.write("\(value)\n", to: "..data/\(name)")
      #expect(symlink("..data/\(name)", secret.appending(name)) == 0)
    }
    func tried() async throws -> (exit: ProcessExit?, output: String) {
      try await run([
        "--kubelet-dir", secret.path, "--ufs", "s3://bucket", "-o", "endpoint=\(store.server.url),path-style",
        "--secret-dir", secret.path,
      ])
    }
    let good = try await tried()
    #expect(good.output.contains("OK    object store   s3://bucket/ at "), "\(good.output)")
    #expect(good.output.contains("OK    clock          "), "\(good.output)")
    // There is no plugin.
    #expect(good.exit == .exited(code: 1))
    unlink(secret.appending("s3a.secretKey"))
    try secret.write("canary-wrong-0123456789abcdef", to: "s3a.secretKey")
    let bad = try await tried()
    #expect(bad.output.contains("FAIL  object store   "), "\(bad.output)")
    #expect(!(good.output + bad.output).contains("canary"))
    // Nothing but the lines.
    #expect(
      (good.output + bad.output).split(separator: "\n").allSatisfy { line in
        Finding.State.allCases.contains { line.hasPrefix($0.rawValue) }
      })
  }

  @Test(
    "what cannot be tried is refused with one sentence",
    arguments: [
      (["--ufs", "ftp://host/x"], "--ufs"), (["--ufs", "s3://bucket", "-o", "endpint=x"], "mount option"),
      (["-o", "endpoint=x"], "name it with --ufs"), (["--ufs", "s3://b", "--secret-dir", "/nowhere"], "--secret-dir"),
      (["--endpoint", "tcp://1.2.3.4"], "unix://"), (["--ufs", "oss://bucket"], "fs.oss.endpoint"),
    ])
  func misuse(arguments: [String], word: String) async throws {
    let (exit, output) = try await run(arguments)
    #expect(exit == .exited(code: 64), "\(output)")
    #expect(output.contains(word), "\(output)")
  }

  @Test("the flags in the README are those of the program")
  func documented() async throws {
    let readme = try WholeFile.text("\(BuildFolder.sources())/README.md")
    let start = try #require(readme.firstRange(of: "<!-- doctor flags"))
    let end = try #require(readme.firstRange(of: "<!-- end of doctor flags"))
    let documented = readme[start.upperBound..<end.lowerBound].split(separator: "\n").compactMap { line in
      line.hasPrefix("| `-") ? line.dropFirst(3).prefix { $0 != "`" } : nil
    }
    let help = try await run(["--help"]).output
    let offered = help.split(separator: "\n").compactMap { line -> Substring? in
      let flag = line.drop { $0 == " " }.prefix { $0 != " " }
      return flag.hasPrefix("-") && flag != "--version" && flag != "-h," ? flag : nil
    }
    #expect(documented.map { $0.replacing("-o`, `", with: "") } == offered.map { $0.replacing(",", with: "") })
  }
}
