import Logging
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@testable import CSIDriver
@testable import Kubernetes

/// A controller's writer of statuses, beside nodes that the test plays.
@Suite("The status of volumes in a cluster", .timeLimit(.minutes(5)))
struct VolumeStatusesTests {
  let cluster: ReportServer
  let registry: KubernetesVolumeRegistry

  init() throws {
    cluster = try ReportServer()
    registry = KubernetesVolumeRegistry(cluster.client)
  }

  private static var quick: StatusPolicy {
    var policy = StatusPolicy()
    (policy.burst, policy.refill, policy.delay) = (1_000, .milliseconds(1), .zero)
    (policy.interval, policy.urgentInterval) = (.milliseconds(1), .milliseconds(1))
    (policy.firstRetry, policy.longestRetry) = (.milliseconds(1), .milliseconds(5))
    (policy.patrol, policy.sweep) = (.milliseconds(5), .milliseconds(20))
    return policy
  }

  /// Runs a controller for as long as `body` does.
  private func running(
    _ policy: StatusPolicy = quick, client: KubernetesClient? = nil, _ body: (VolumeStatuses) async throws -> Void
  ) async throws {
    let statuses = VolumeStatuses(
      try client ?? .toServer(cluster.server), policy: policy, watchPolicy: WatchPolicy(pageSize: 2), logger: .silent)
    let task = Task { await statuses.run() }
    do { try await body(statuses) } catch {
      task.cancel()
      throw error
    }
    task.cancel()
    await task.value
  }

  private struct Patch: Encodable { var status: AlluxioNode.Status }
  private static let serial = Atomic(0)

  /// A node reports.
  private func report(_ node: String, _ volumes: AlluxioNode.Volume...) async throws {
    if !(try await cluster.client.list(AlluxioNode.self).items.contains { $0.spec.nodeID == node }) {
      _ = try await cluster.client.create(AlluxioNode(nodeID: node))
    }
    var status = AlluxioNode.Status(volumes, ReportPolicy())
    status.reportedAt = "2026-01-01T00:00:00.\(Self.serial.wrappingAdd(1, ordering: .relaxed).newValue)Z"
    _ = try await cluster.client.patch(
      AlluxioNode.self, name: node, subresource: "status", with: Patch(status: status))
  }

  private func usable(_ volume: AlluxioVolume) -> String? { volume.status?.conditions?.first?.status }

  @Test("a volume shows nodes, hit rate, what is cached, what is loaded, the last error and whether it is usable")
  func shown() async throws {
    try await registry.insert(.test("v"))
    try await report("a", .test("v", hits: 30, misses: 10))
    try await running { _ in
      let first = try await cluster.volume("v") { $0.status?.nodeCount == 1 && usable($0) == "True" }
      #expect(first.status?.cache == AlluxioVolume.Cache(hitRate: "75%", cachedBytes: 30))
      #expect(first.spec.record == .test("v"))
      try await report("b", .test("v", abnormal: "lost", lastError: "killed", warmUp: 3))
      let second = try await cluster.volume("v") { usable($0) == "False" }
      #expect(second.status?.nodeCount == 2 && second.status?.warmUp?.percent == 3)
      #expect(second.status?.lastError == AlluxioVolume.LastError(nodeID: "b", message: "lost"))
      #expect(second.status?.conditions?.first?.message == "b: lost")
      try await report("b", .test("v"))
      let third = try await cluster.volume("v") { usable($0) == "True" }
      #expect(third.status?.warmUp == nil && third.status?.lastError == nil && third.status?.nodeCount == 2)
      for node in ["a", "b"] { try await report(node) }
      let last = try await cluster.volume("v") { $0.status?.nodeCount == 0 }
      #expect(last.status?.cache == nil && last.status?.nodes == [:] && last.status?.conditions == [])
    }
  }

  @Test("a volume that no controller has made is there for as long as a node reports it; one in a pod never is")
  func strangers() async throws {
    try await report("a", .test("Static/Volume"))
    var inline = AlluxioNode.Volume.test("csi-inline")
    inline.inline = true
    try await report("b", inline)
    try await running { _ in
      _ = try await cluster.volume("Static/Volume") { $0.status?.nodeCount == 1 }
      try await report("a")
      while try await !cluster.client.list(AlluxioVolume.self).items.isEmpty {}
      #expect(try await cluster.calls().filter { $0.resource == "alluxiovolumes" && $0.verb == "create" }.count == 1)
    }
  }

  @Test("a volume that a node reports cannot be deleted, and can when it does so no more")
  func deletion() async throws {
    try await registry.insert(.test("v"))
    try await report("a", .test("v"))
    try await running { _ in
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 1 }
      await #expect(throws: RegistryError.published(volume: "v", nodes: ["a"])) {
        try await registry.beginDeletion(id: "v")
      }
      try await report("a")
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 0 }
      _ = try await registry.beginDeletion(id: "v")
      try await registry.remove(id: "v")
    }
  }

  @Test(
    "a silent node is unknown; when it is no more in the cluster its report is removed, and the volume can be deleted")
  func nodeGone() async throws {
    var policy = Self.quick
    policy.silence = .milliseconds(50)
    try await registry.insert(.test("v"))
    _ = try await cluster.client.create(NodeObject(metadata: ObjectMetadata(name: "a")))
    try await report("a", .test("v", hits: 1))
    try await running(policy) { _ in
      let silent = try await cluster.volume("v") { usable($0) == "Unknown" }
      #expect(silent.status?.conditions?.first?.reason == "NodesSilent" && silent.status?.cache == nil)
      await #expect(throws: RegistryError.published(volume: "v", nodes: ["a"])) {
        try await registry.beginDeletion(id: "v")
      }
      try await cluster.client.delete(NodeObject.self, name: "a")
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 0 }
      #expect(try await cluster.client.list(AlluxioNode.self).items.isEmpty)
      _ = try await registry.beginDeletion(id: "v")
    }
  }

  @Test("a node that is there and does not report keeps no volume for ever")
  func abandoned() async throws {
    var policy = Self.quick
    (policy.silence, policy.abandonment) = (.milliseconds(20), .milliseconds(200))
    try await registry.insert(.test("v"))
    _ = try await cluster.client.create(NodeObject(metadata: ObjectMetadata(name: "a")))
    try await report("a", .test("v"))
    try await running(policy) { _ in
      while try await !cluster.client.list(AlluxioNode.self).items.isEmpty {}
      _ = try await cluster.volume("v") { $0.status?.nodeCount ?? 0 == 0 }
      _ = try await registry.beginDeletion(id: "v")
    }
  }

  @Test("what went while no controller was there is found by the next one")
  func leftovers() async throws {
    try await registry.insert(.test("v"))
    try await report("a", .test("v"))
    try await running { _ in _ = try await cluster.volume("v") { $0.status?.nodeCount == 1 } }
    try await cluster.client.delete(AlluxioNode.self, name: "a")
    try await running { _ in _ = try await cluster.volume("v") { $0.status?.nodeCount == 0 } }
  }

  @Test("what a node has told the registry itself stays, and is counted")
  func direct() async throws {
    try await registry.insert(.test("v"))
    try await registry.publish(.test("direct"), of: "v")
    try await report("a", .test("v"))
    try await report("direct", .test("v", abnormal: "reported"))
    try await running { _ in
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 2 && $0.status?.nodes?.count == 2 }
      #expect(try await registry.publications(of: "v").contains(.test("direct")))
      for node in ["a", "direct"] { try await report(node) }
      let left = try await cluster.volume("v") { $0.status?.nodeCount == 1 }
      #expect(left.publications == [.test("direct")])
    }
  }

  @Test("two controllers write the same, and one that finds it done writes nothing")
  func two() async throws {
    for id in ["v", "w"] { try await registry.insert(.test(id)) }
    try await running { _ in
      try await running { _ in
        for round in 1...10 {
          try await report("a", .test("v", hits: Int64(round), lastError: "\(round)"), .test("w"))
          _ = try await cluster.volume("v") { $0.status?.lastError?.message == "\(round)" }
        }
        let version = try await cluster.volume("v") { _ in true }.metadata.resourceVersion
        let sweeps = try await cluster.server.calls().filter { $0.target.contains("limit=100") }.count
        while try await cluster.server.calls().filter({ $0.target.contains("limit=100") }).count < sweeps + 6 {}
        #expect(try await cluster.volume("v") { _ in true }.metadata.resourceVersion == version)
      }
    }
  }

  @Test(
    "conflicts, a watch that is cut or forgets, and a server that refuses for a while are overcome",
    arguments: [KubernetesServer.WatchAct.cut, .reset, .garble, .error, .gone, .end])
  func troubles(act: KubernetesServer.WatchAct) async throws {
    try await registry.insert(.test("v"))
    try await running { _ in
      try await report("a", .test("v"))
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 1 }
      try await cluster.server.answer(
        Array(repeating: .init(409, reason: "Conflict", method: "PATCH", target: "alluxiovolumes"), count: 3)
          + Array(repeating: .init(503, method: "GET", target: "alluxiovolumes/v"), count: 3))
      try await cluster.server.compact()
      try await cluster.server.act(act)
      try await report("b", .test("v", abnormal: "x"))
      _ = try await cluster.volume("v") { $0.status?.nodeCount == 2 && usable($0) == "False" }
    }
  }

  @Test("what kmock's emulator makes of it: a report becomes a status")
  func kmock() async throws {
    let kinds = ["alluxionodes", "alluxiovolumes"].map { "csi.alluxio.com/v1alpha1/\($0)" }
    let server = try ServerProcess.kmock(kinds)
    let client = try KubernetesClient(
      ClusterAccess(server: server.url), policy: RetryPolicy(attempts: 20, firstWait: .milliseconds(2)))
    _ = try await client.create(AlluxioVolume(id: "v", record: .test("v")))
    try await running(client: try KubernetesClient(ClusterAccess(server: server.url))) { _ in
      // It serves whole objects, status and all.
      _ = try await client.create(AlluxioNode.test("a", [.test("v", hits: 3, misses: 1)]))
      var shown: AlluxioVolume
      repeat { shown = try await client.get(name: "v") } while shown.status?.nodeCount != 1
      #expect(shown.status?.cache?.hitRate == "75%" && usable(shown) == "True")
    }
  }

  @Test("while the server is away for long nothing piles up, and when it is back volumes show how things are then")
  func away() async throws {
    let client = try KubernetesClient(
      ClusterAccess(server: cluster.server.url), policy: RetryPolicy(attempts: 1),
      pause: { _ in await Task.yield() })
    for number in 0..<5 { try await registry.insert(.test("v\(number)")) }
    try await running(client: client) { statuses in
      try await report("a", .test("v0"), .test("v1"), .test("v2"), .test("v3"), .test("v4"))
      for number in 0..<5 { _ = try await cluster.volume("v\(number)") { $0.status?.nodeCount == 1 } }
      // All that a controller asks, and the test does not.
      let asked = "watch=|limit=2&|limit=2$|limit=100|alluxiovolumes/v"
      try await cluster.server.answer(Array(repeating: .init(503, target: asked), count: 200))
      try await cluster.server.act(.reset)
      for round in 1...50 {
        try await report("a", .test("v0", lastError: "\(round)"))
        #expect(statuses.backlog.volumes <= 10 && statuses.backlog.nodes == 1)
      }
      _ = try await cluster.volume("v0") { $0.status?.lastError?.message == "50" }
      #expect(try await cluster.server.calls().filter { $0.status == 503 }.count == 200)
      for number in 1..<5 { _ = try await cluster.volume("v\(number)") { $0.status?.nodeCount == 0 } }
    }
  }

  @Test("nodes without volumes leave no objects behind")
  func idleNodes() async throws {
    var policy = Self.quick
    (policy.silence, policy.patrolledNodes) = (.milliseconds(20), 2)
    for number in 0..<7 { try await report("node-\(number)") }
    try await running(policy) { _ in
      while try await !cluster.client.list(AlluxioNode.self).items.isEmpty {}
    }
    #expect(try await cluster.calls().allSatisfy { $0.resource != "nodes" })
  }

  @Test("a storm of changes is written no faster than the policy says, and its end is what volumes show")
  func storm() async throws {
    var policy = Self.quick
    (policy.burst, policy.refill) = (2, .milliseconds(100))
    for number in 0..<5 { try await registry.insert(.test("v\(number)")) }
    let start = ContinuousClock.now
    try await running(policy) { statuses in
      for round in 1...60 {
        let volumes = (0..<5).map { AlluxioNode.Volume.test("v\($0)", lastError: "\(round)") }
        try await report("a", volumes[0], volumes[1], volumes[2], volumes[3], volumes[4])
        #expect(statuses.backlog.volumes <= 10)
      }
      for number in 0..<5 { _ = try await cluster.volume("v\(number)") { $0.status?.lastError?.message == "60" } }
    }
    let writes = try await cluster.calls().filter { $0.subresource == "status" && $0.resource == "alluxiovolumes" }
      .count
    let allowed = 2 + Int((ContinuousClock.now - start) / policy.refill) + 1
    #expect(writes <= allowed, "\(writes) of \(allowed)")
  }

  @Test("all that it asks of the API is what the rules of the controller in the chart allow, and nothing is missing")
  func rules() async throws {
    var policy = Self.quick
    policy.silence = .milliseconds(20)
    _ = try await cluster.client.create(NodeObject(metadata: ObjectMetadata(name: "a")))
    try await report("a", .test("stranger"))
    try await cluster.server.allow([
      .init(
        verbs: ["get", "list", "create", "patch", "delete"], group: "csi.alluxio.com", resources: ["alluxiovolumes"]),
      .init(verbs: ["patch"], group: "csi.alluxio.com", resources: ["alluxiovolumes/status"]),
      .init(verbs: ["list", "watch", "delete"], group: "csi.alluxio.com", resources: ["alluxionodes"]),
      .init(verbs: ["get"], group: "", resources: ["nodes"]),
    ])
    try await cluster.server.forget()
    try await running(policy) { _ in
      _ = try await cluster.volume("stranger") { usable($0) == "Unknown" }
      try await cluster.server.answer([.init(404, reason: "NotFound", method: "GET", target: "/nodes/a")])
      while try await !cluster.client.list(AlluxioVolume.self).items.isEmpty {}
    }
    let calls = try await cluster.server.calls()
    #expect(calls.allSatisfy { $0.status != 403 })
    let used = Set(calls.map { "\($0.verb) \($0.resource)\($0.subresource.map { "/\($0)" } ?? "")" })
    #expect(
      used == [
        "get alluxiovolumes", "list alluxiovolumes", "create alluxiovolumes", "delete alluxiovolumes",
        "patch alluxiovolumes/status", "list alluxionodes", "watch alluxionodes", "delete alluxionodes", "get nodes",
      ])
  }
}
