import FoundationEssentials
package import HTTP
import LinuxSystem
import Synchronization
import TestSupport

extension ServerProcess {
  /// kmock's emulator of the Kubernetes API, without versions, conflicts and pages.
  /// - Parameter resources: `v1/configmaps`.
  package static func kmock(_ resources: [String]) throws -> ServerProcess {
    try ServerProcess(
      ["python", PythonEnvironment.script("kmock_server.py")] + resources, ready: #"^listening on (\d+)"#)
  }
}

/// An API server of Kubernetes with versions, conflicts, pages and watches that forget, and what tests tell it: see
/// servers/kubernetes_server.py. Those without TLS are parts of one process, which ends with the tests'.
package final class KubernetesServer: Sendable {
  package let process: ServerProcess
  /// Where clients connect.
  package let url: String
  /// What the URL has behind host and port.
  package let path = "/@\(serial.wrappingAdd(1, ordering: .relaxed).newValue)"
  private let control: HTTPClient

  /// - Parameters:
  ///   - certificate: nil: without TLS.
  ///   - asksClients: whether clients must show a certificate of the same authority.
  package init(_ certificate: ServerCertificate? = nil, asksClients: Bool = false) throws {
    var arguments: [String] = []
    var configuration = HTTPConfiguration()
    if let certificate {
      arguments = ["--certificate", certificate.certificatePath, "--key", certificate.keyPath]
      configuration.authorities = .file(certificate.authorityPath)
      if asksClients {
        arguments += ["--clients", certificate.authorityPath]
        configuration.identity = try certificate.identity()
      }
    }
    process = try certificate == nil ? Self.shared.get() : Self.start(arguments)
    url = (certificate == nil ? process.url : process.encryptedURL) + path
    control = try HTTPClient(configuration)
  }

  private static let serial = Atomic(0)
  private static let shared = Result { try start([]) }

  private static func start(_ arguments: [String]) throws -> ServerProcess {
    try ServerProcess(
      ["python", PythonEnvironment.script("kubernetes_server.py")] + arguments, ready: #"^listening on (\d+)"#)
  }

  /// One call, as rules of access name it.
  package struct Call: Codable, Sendable, Hashable {
    package var verb: String
    package var group: String
    package var resource: String
    package var subresource: String?
    package var namespace: String?
    package var name: String?
    /// Path and query, as they came.
    package var target: String
    /// What was answered.
    package var status: Int
  }

  /// An answer that the next request gets whose method and target match the regular expressions.
  package struct Answer: Codable, Sendable {
    package var method: String
    package var target: String
    package var status: Int
    package var headers: [String: String]
    package var body: String

    package init(
      _ status: Int, reason: String = "Injected", method: String = "", target: String = "",
      headers: [String: String] = [:], body: String? = nil
    ) {
      self.method = method
      self.target = target
      self.status = status
      self.headers = headers
      self.body =
        body ?? #"{"kind":"Status","status":"Failure","reason":"\#(reason)","message":"injected","code":\#(status)}"#
    }
  }

  /// What is done to all open watches.
  package enum WatchAct: String, Sendable { case end, reset, cut, garble, error, gone }

  /// A rule of a ClusterRole.
  package struct Rule: Codable, Sendable {
    package var verbs: [String]
    package var apiGroups: [String]
    package var resources: [String]

    package init(verbs: [String], group: String, resources: [String]) {
      self.verbs = verbs
      apiGroups = [group]
      self.resources = resources
    }
  }

  /// Every call so far.
  package func calls() async throws -> [Call] {
    try JSONDecoder().decode([Call].self, from: await ask("GET", "calls"))
  }

  /// The verbs of the calls so far.
  package func verbs() async throws -> [String] { try await calls().map(\.verb) }

  /// Forgets the calls.
  package func forget() async throws { _ = try await ask("DELETE", "calls") }

  /// Waits until so many watches have been opened since the start.
  package func opened(_ count: Int) async throws { _ = try await ask("GET", "watches/\(count)") }

  /// Forgets all history, and lists that are under way.
  package func compact() async throws { _ = try await ask("POST", "compact") }

  /// Sends a bookmark to all open watches that want them.
  package func bookmark() async throws { _ = try await ask("POST", "bookmark") }

  /// Does something to all open watches.
  package func act(_ act: WatchAct) async throws { _ = try await ask("POST", "watch/\(act.rawValue)") }

  /// Adds answers, one behind the other.
  package func answer(_ answers: [Answer]) async throws {
    _ = try await ask("POST", "answer", Array(try JSONEncoder().encode(answers)))
  }

  private struct Change<Patch: Encodable>: Encodable {
    var verb: String
    var resource: String
    var patch: Patch
  }

  /// Has somebody else change the object that the next such call is for, right before it, by a merge patch.
  package func change(before verb: String, of resource: String, _ patch: some Encodable) async throws {
    let change = Change(verb: verb, resource: resource, patch: patch)
    _ = try await ask("POST", "meanwhile", Array(try JSONEncoder().encode(change)))
  }

  /// Lets in whoever has one of these tokens; with none, everybody.
  package func admit(_ tokens: [String]) async throws {
    _ = try await ask("POST", "tokens", Array(try JSONEncoder().encode(tokens)))
  }

  /// Allows what the rules allow.
  package func allow(_ rules: [Rule]) async throws {
    _ = try await ask("POST", "rules", Array(try JSONEncoder().encode(rules)))
  }

  private func ask(_ method: String, _ path: String, _ body: [UInt8] = []) async throws -> Data {
    let request = HTTPRequest(method: method, url: "\(url)/__\(path)", body: .bytes(body))
    let response = try await control.response(to: request, bodyLimit: 64 << 20)
    guard response.head.status == 200 else {
      throw ServerProcess.Failure(
        description: "\(path): \(response.head.status) \(String(decoding: response.body, as: UTF8.self))")
    }
    return Data(response.body)
  }
}

extension ServerCertificate {
  /// The certificate and its key, for a client to show.
  package func identity() throws -> HTTPConfiguration.Identity {
    HTTPConfiguration.Identity(
      certificates: try WholeFile.read(certificatePath), key: try WholeFile.read(keyPath))
  }
}
