import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Log
import Logging
import SystemPackage
import TestSupport
import VolumeModel

/// Identity and controller behind a real gRPC server, with the request log in a file.
struct ServedController {
  let fixture: ControllerFixture
  let calls: CSICalls
  private let server: Server
  private let log: SharedDescriptor

  init(isReady: @escaping @Sendable () async -> Bool = { true }) throws {
    let fixture = try ControllerFixture()
    self.fixture = fixture
    let path = fixture.folder.appending("log")
    let log = SharedDescriptor(try Descriptor.open(path, O_WRONLY | O_CREAT | O_APPEND, mode: 0o600))
    self.log = log
    let logger = Logger(label: "csi") {
      LineLogHandler(label: $0, level: .trace, format: .json, descriptor: log.rawValue)
    }
    let identity = IdentityService(
      name: "alluxio", version: "1.2.3", manifest: ["key": "value"], hasController: true, isReady: isReady)
    try fixture.folder.makeDirectory("csi", mode: 0o700)
    let endpoint = try Endpoint(path: fixture.folder.appending("csi/csi.sock"))
    server = try Server(
      endpoint: endpoint, handlers: identity.methods.merging(fixture.service.methods) { first, _ in first },
      interceptors: [RequestLog(logger: logger)], logger: logger)
    calls = CSICalls(endpoint)
  }

  /// Everything that was logged so far.
  var logged: String { (try? WholeFile.text(fixture.folder.appending("log"))) ?? "" }

  func stop() async {
    calls.client.close()
    await server.shutdown(grace: .seconds(5))
  }

  /// Sends bytes as they are.
  /// - Returns: the status, and the message or the reply's text.
  func send(_ method: String, _ bytes: [UInt8]) async -> (code: StatusCode, text: String) {
    do throws(RPCError) {
      let reply = try await calls.client.call("/csi.v1.\(method)", OutgoingMessage(bytes), timeout: .seconds(30))
      return (.ok, reply.withBytes { String(decoding: $0, as: UTF8.self) })
    } catch {
      return (error.code, error.message)
    }
  }
}
