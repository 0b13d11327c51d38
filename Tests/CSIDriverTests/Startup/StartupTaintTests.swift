import HTTP
import Logging
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@testable import CSIDriver
@testable import Kubernetes

/// A node with all that taints have, also what the driver has no use for.
struct TaintedNode: KubernetesObject, Hashable {
  static let resource = NodeObject.resource

  struct Taint: Codable, Hashable {
    var key: String
    var value: String?
    var effect: String
    var timeAdded: String?
  }

  struct Spec: Codable, Hashable {
    var podCIDR: String? = "10.0.0.0/24"
    var taints: [Taint]?
  }

  var metadata = ObjectMetadata(name: "node")
  var spec: Spec

  init(_ taints: [Taint]?) { spec = Spec(taints: taints) }
}

/// A merge patch that sets a node's taints, as those do who know nothing of each other.
struct TaintsPatch: Encodable {
  var spec: TaintedNode.Spec
  init(_ taints: [TaintedNode.Taint]) { spec = TaintedNode.Spec(taints: taints) }
}

/// Log lines of one logger.
final class LoggedLines: Sendable {
  private let all = Mutex<[String]>([])
  var lines: [String] { all.withLock { $0 } }

  var logger: Logger {
    var logger = Logger(label: "test") { _ in Handler(lines: self) }
    logger.logLevel = .info
    return logger
  }

  private struct Handler: LogHandler {
    let lines: LoggedLines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.all.withLock { $0.append("\(event.level): \(event.message) \(event.metadata ?? [:])") }
    }
  }
}

@Suite("The taint of nodes whose volumes cannot be used yet", .timeLimit(.minutes(2)))
struct StartupTaintTests {
  typealias Taint = TaintedNode.Taint

  let server: KubernetesServer
  let client: KubernetesClient
  let log = LoggedLines()

  static let key = StartupTaint.usualKey
  static let other = Taint(
    key: "dedicated", value: "gpu", effect: "NoExecute", timeAdded: "2026-11-21T10:00:00Z")

  init() throws {
    server = try KubernetesServer()
    client = try .toServer(server)
  }

  /// Waits that pass at once.
  private func taint(
    _ url: String? = nil, token: ClusterAccess.Token = .none, pause: @escaping KubernetesClient.Pause = { _ in },
    mounterAnswers: @escaping @Sendable () async -> Bool = { true }
  ) throws -> StartupTaint {
    let access = ClusterAccess(server: url ?? server.url, token: token)
    return StartupTaint(
      key: Self.key, driver: "alluxio", nodeID: "node",
      client: try KubernetesClient(access, policy: RetryPolicy(attempts: 4, patience: .seconds(3600)), pause: pause),
      mounterAnswers: mounterAnswers, logger: log.logger)
  }

  private func create(_ taints: [Taint]?, drivers: [String]? = ["ebs.csi.aws.com", "alluxio"]) async throws {
    _ = try await client.create(TaintedNode(taints))
    if let drivers { try await register(drivers) }
  }

  private func register(_ drivers: [String]) async throws {
    var node = CSINodeObject(metadata: ObjectMetadata(name: "node"))
    node.spec = CSINodeObject.Spec(drivers: drivers.map { CSINodeObject.Driver(name: $0) })
    _ = try await client.create(node)
  }

  private func taints() async throws -> [Taint]? {
    try await client.get(TaintedNode.self, name: "node").spec.taints
  }

  @Test("it goes with all its effects, and other taints stay as they are, with all that they have")
  func effects() async throws {
    let own = ["NoSchedule", "NoExecute", "PreferNoSchedule"].map { Taint(key: Self.key, effect: $0) }
    let similar = Taint(key: Self.key + "-yet", effect: "NoSchedule")
    try await create([own[0], Self.other, own[1], similar, own[2]])
    try await taint().remove()
    let node = try await client.get(TaintedNode.self, name: "node")
    #expect(node.spec == TaintedNode.Spec(taints: [Self.other, similar]))
    #expect(log.lines.count == 1 && log.lines[0].contains("info: volumes can be used: the startup taint is removed"))
  }

  @Test("a node without it is left alone", arguments: [nil, [], [StartupTaintTests.other]])
  func nothing(taints: [Taint]?) async throws {
    try await create(taints)
    try await server.forget()
    try await taint().remove()
    #expect(try await server.calls().map { "\($0.verb) \($0.resource)" } == ["get csinodes", "get nodes"])
    #expect(log.lines.count == 1 && log.lines[0].contains("this node has no startup taint"))
  }

  @Test("taints that others put before it, take away or change at the same moment are not lost and do not come back")
  func concurrent() async throws {
    let own = Taint(key: Self.key, effect: "NoSchedule")
    let pressure = Taint(key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule")
    try await create([Self.other, own])
    try await server.change(before: "patch", of: "nodes", TaintsPatch([pressure, Self.other, own]))
    try await server.change(before: "patch", of: "nodes", TaintsPatch([own, pressure]))
    // At the end of the list: what the patch tests is still so.
    try await server.change(before: "patch", of: "nodes", TaintsPatch([own, pressure, Self.other]))
    try await taint().remove()
    #expect(try await taints() == [pressure, Self.other])
    #expect(try await server.calls().filter { $0.verb == "patch" }.map(\.status) == [422, 422, 200])
    #expect(log.lines.count == 1)
  }

  @Test("a node that others change all the time is tried again, and somebody else may have removed the taint meanwhile")
  func busy() async throws {
    let own = Taint(key: Self.key, effect: "NoSchedule")
    try await create([own])
    // More than the attempts of one round.
    for round in 0..<6 {
      let before = Taint(key: "other", value: "\(round)", effect: "NoSchedule")
      try await server.change(
        before: "patch", of: "nodes", TaintsPatch(round % 2 == 0 ? [before, own] : [own, before]))
    }
    try await server.change(before: "patch", of: "nodes", TaintsPatch([Self.other]))
    try await taint().remove()
    #expect(try await taints() == [Self.other])
    #expect(log.lines.map { $0.hasPrefix("warning: ") } == [true, false])
  }

  @Test("it stays until the kubelet lists the driver, and until the mounter answers")
  func waiting() async throws {
    let own = Taint(key: Self.key, effect: "NoSchedule")
    try await create([own], drivers: nil)
    let rounds = Mutex(0)
    let pauses = Mutex(0)
    let taint = try taint(
      pause: { [client] _ in
        #expect(try await client.get(TaintedNode.self, name: "node").spec.taints == [own])
        switch pauses.withLock({
          $0 += 1; return $0
        }) {
        case 4: try await register(["ebs.csi.aws.com"])
        case 6:
          struct Patch: Encodable { var spec = CSINodeObject.Spec(drivers: [CSINodeObject.Driver(name: "alluxio")]) }
          _ = try await client.patch(CSINodeObject.self, name: "node", with: Patch())
        default: break
        }
      },
      mounterAnswers: {
        rounds.withLock {
          $0 += 1; return $0 > 2
        }
      })
    await taint.remove()
    #expect(try await taints() == [])
    #expect(rounds.withLock { $0 } == 7 && pauses.withLock { $0 } == 6)
    #expect(log.lines.count == 3, "\(log.lines)")
    #expect(log.lines[0].contains("the mounter does not answer yet"))
    #expect(log.lines[1].contains("the kubelet has not registered alluxio yet"))
  }

  @Test(
    "a right that is missing is named once, and the taint goes when it is there",
    arguments: [
      ("get csinodes.storage.k8s.io", [("get,patch", "", "nodes")]),
      ("get nodes", [("get", "storage.k8s.io", "csinodes")]),
      ("patch nodes", [("get", "storage.k8s.io", "csinodes"), ("get", "", "nodes")]),
    ])
  func forbidden(missing: String, rules: [(verbs: String, group: String, resource: String)]) async throws {
    let own = Taint(key: Self.key, effect: "NoExecute")
    try await create([own, Self.other])
    @Sendable func rule(_ verbs: String, _ group: String, _ resource: String) -> KubernetesServer.Rule {
      .init(verbs: verbs.split(separator: ",").map(String.init), group: group, resources: [resource])
    }
    try await server.allow(rules.map(rule))
    let pauses = Mutex(0)
    try await taint(pause: { [server] _ in
      // The rules of the chart, and no more.
      guard
        pauses.withLock({
          $0 += 1; return $0
        }) == 3
      else { return }
      try await server.allow([rule("get,patch", "", "nodes"), rule("get", "storage.k8s.io", "csinodes")])
    }).remove()
    #expect(try await taints() == [Self.other])
    #expect(log.lines.count == 2, "\(log.lines)")
    #expect(log.lines[0].contains("warning: the startup taint cannot be removed") && log.lines[0].contains(missing))
    #expect(log.lines[0].contains("role of this program's service account"))
  }

  @Test("a node that is not there is said once, and the end of the plugin ends it")
  func absent() async throws {
    try await register(["alluxio"])
    let (pauses, entrance) = AsyncStream<Void>.makeStream()
    let taint = try taint(pause: { _ in
      entrance.yield()
      try Task.checkCancellation()
    })
    let task = Task { await taint.remove() }
    var count = 0
    for await _ in pauses {
      count += 1
      if count == 3 { break }
    }
    task.cancel()
    await task.value
    #expect(log.lines.count == 1 && log.lines[0].contains(#"get nodes: 404 NotFound: nodes "node" not found"#))
  }

  @Test("an API server that is away, is busy or cuts answers short keeps nobody waiting, and is asked again")
  func away() async throws {
    try await create([Taint(key: Self.key, effect: "NoSchedule")])
    let answers = [500, 503, 429, 401].map { KubernetesServer.Answer($0, target: "nodes") }
    try await server.answer(answers + [.init(200, target: "nodes", body: #"{"metadata":"#)])
    try await server.answer([.init(500, method: "PATCH"), .init(503, method: "PATCH")])
    try await taint().remove()
    #expect(try await taints() == [])
    let pauses = Mutex(0)
    try await taint(
      "http://127.0.0.1:1",
      pause: { _ in
        // Three between the client's attempts, and the first of its own.
        if pauses.withLock({
          $0 += 1; return $0
        }) == 4 {
          throw CancellationError()
        }
      }
    ).remove()
    #expect(log.lines.last?.contains("warning: the startup taint cannot be removed") == true)
  }

  @Test("keys as Kubernetes has them are taken", arguments: [StartupTaint.usualKey, "a", "a.b/C_d-1.e", "1/2"])
  func valid(key: String) { #expect(StartupTaint.isValidKey(key)) }

  @Test(
    "others are refused",
    arguments: ["", "/", "a/", "/a", "a/b/c", "a b", "-a", "a-", "A/b", "a=b", "ä", String(repeating: "a", count: 64)])
  func invalid(key: String) { #expect(!StartupTaint.isValidKey(key)) }
}
