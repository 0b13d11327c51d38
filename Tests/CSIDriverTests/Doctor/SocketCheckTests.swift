import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Logging
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@Suite("Sockets of a node, looked at by its doctor", .serialized)
struct SocketCheckTests {
  private let folder: TemporaryDirectory

  init() throws {
    folder = try TemporaryDirectory("doctor")
    try folder.makeDirectory("plugins_registry", mode: 0o700)
  }

  private func expect(_ check: some NodeCheck, _ state: Finding.State, _ word: String) async {
    let findings = await check.findings(by: .after(.patient))
    #expect(findings.map(\.state) == [state], "\(findings)")
    #expect(findings.contains { "\($0)".contains(word) }, "\(word): \(findings)")
  }

  /// As a process leaves it that was killed.
  private func leaveSocket(at path: String) throws {
    let socket = Descriptor(adopting: Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let number = socket.rawValue
    let status = withUnsafePointer(to: &address) { address in
      address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    #expect(status == 0, "errno \(errno)")
  }

  private func serve(
    at path: String, _ handlers: [String: UnaryHandler], _ body: () async throws -> Void
  ) async throws {
    let server = try Server(
      endpoint: try Endpoint(path: path), handlers: handlers, interceptors: [], logger: .silent)
    try await body()
    await server.shutdown(grace: .seconds(5))
  }

  @Test("a plugin that answers, that is another driver, that is not ready, that has ended, that never was")
  func plugin() async throws {
    let socket = folder.appending("plugins_registry/csi.sock")
    let check = PluginCheck(socket: socket, driverName: "alluxio")
    await expect(check, .failure, "there is no socket")
    try leaveSocket(at: socket)
    await expect(check, .failure, "nobody answers")
    unlink(socket)
    for (isReady, driver, state, word) in [
      (true, "alluxio", Finding.State.ok, "alluxio 1.2.3 answers"), (false, "alluxio", .failure, "not ready"),
      (true, "other.example.com", .failure, "--driver-name other.example.com"),
    ] {
      let identity = IdentityService(
        name: driver, version: "1.2.3", manifest: [:], hasController: false, isReady: { isReady })
      try await serve(at: socket, identity.methods) { await expect(check, state, word) }
    }
    try await serve(at: socket, [:]) { await expect(check, .failure, "no answer of a CSI plugin") }
    let deep = folder.appending(String(repeating: "a", count: 200))
    try folder.write("", to: String(repeating: "a", count: 200))
    await expect(PluginCheck(socket: deep, driverName: "alluxio"), .failure, "no answer")
  }

  @Test("a driver that the kubelet knows, one whose registrar has ended, one that it was never told of")
  func registration() async throws {
    let check = RegistrationCheck(kubeletDirectory: folder.path, driverName: "alluxio")
    await expect(check, .failure, "the kubelet knows no driver alluxio")
    let socket = folder.appending("plugins_registry/alluxio-reg.sock")
    try leaveSocket(at: socket)
    await expect(check, .failure, "nobody answers")
    unlink(socket)
    // Which methods it has is between it and the kubelet.
    try await serve(at: socket, [:]) { await expect(check, .ok, "is registered") }
  }

  @Test("a mounter that is not there")
  func mounter() async throws {
    await expect(MounterCheck(socket: folder.appending("mounter.sock")), .failure, "alluxio-csi-mounter")
  }
}
