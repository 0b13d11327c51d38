import Logging
import Mounter
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

@testable import CSIDriver
@testable import Kubernetes

/// A cluster that nodes report to.
struct ReportServer {
  let server: KubernetesServer
  let client: KubernetesClient

  init() throws {
    server = try KubernetesServer()
    client = try .toServer(server)
  }

  /// What a node has reported, once it is as wanted. Reports come when something has happened, and nothing else tells.
  func report(of node: String = "node", _ wanted: (AlluxioNode.Status) -> Bool) async throws -> AlluxioNode.Status {
    while true {
      let object = try await client.list(AlluxioNode.self).items.first { $0.spec.nodeID == node }
      if let status = object?.status, wanted(status) { return status }
    }
  }

  /// The object of a volume, once it is as wanted.
  func volume(_ id: String, _ wanted: (AlluxioVolume) -> Bool) async throws -> AlluxioVolume {
    while true {
      let object = try await client.list(AlluxioVolume.self).items.first { $0.spec.volumeID == id }
      if let object, wanted(object) { return object }
    }
  }

  /// Calls of others than the test itself, which lists.
  func calls() async throws -> [KubernetesServer.Call] { try await server.calls().filter { $0.verb != "list" } }
}

/// The node service with a mounter that says what the test wants.
@Suite("Reports of a node", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct NodeReportsTests {
  let cluster: ReportServer
  let mounter = HollowMounter()

  init() throws { cluster = try ReportServer() }

  private func reports(_ client: KubernetesClient? = nil, _ policy: ReportPolicy? = nil) throws -> NodeReports {
    var quick = ReportPolicy()
    (quick.delay, quick.burst) = (.milliseconds(1), 1_000)
    (quick.firstRetry, quick.longestRetry) = (.milliseconds(1), .milliseconds(5))
    return NodeReports(
      try client ?? .toServer(cluster.server), nodeID: "node",
      view: MounterView { [mounter] _ throws(MounterError) in mounter.statuses }, policy: policy ?? quick,
      logger: Logger(label: "reports"))
  }

  private func running(
    _ reports: NodeReports? = nil, _ body: (NodeFixture) async throws -> Void
  ) async throws {
    let node = try await NodeFixture(mounter: mounter, reports: try reports ?? self.reports())
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    try await body(node)
    #expect(try node.isClean())
  }

  private func say(_ volume: String, _ change: (inout WorkerStatus) -> Void) throws {
    var status = try #require(mounter.statuses.first { $0.request.key.volumeID == volume })
    change(&status)
    mounter.report(status)
  }

  @Test("what is published, what is wrong with it, what went wrong, and that it is gone")
  func life() async throws {
    try await running { node in
      try await node.publish(node.request("v", at: "a"))
      try await node.publish(node.request("w", at: "b"))
      let first = try await cluster.report { $0.volumeCount == 2 }
      #expect(first.volumes?.map(\.volumeID) == ["v", "w"] && first.abnormalCount == 0)
      #expect(first.reportedAt?.hasSuffix("Z") == true)
      try say("v") {
        $0.history.note(WorkerDeath(exit: .outOfMemory(limitBytes: 64 << 20), pid: 1, moment: 1))
        ($0.state, $0.revision) = (.interrupted(reason: "canary"), 1)
      }
      let broken = try await cluster.report { $0.abnormalCount == 1 }.volumes?.first
      #expect(broken?.volumeID == "v" && broken?.message?.contains("canary") == true)
      try say("v") { ($0.state, $0.revision) = (.ready, 2) }
      _ = try await cluster.report { $0.abnormalCount == 0 }
      try await node.unpublish("w", at: "b")
      _ = try await cluster.report { $0.volumes?.map(\.volumeID) == ["v"] }
      try await node.unpublish("v", at: "a")
      _ = try await cluster.report { $0.volumes == [] && $0.volumeCount == 0 }
    }
    #expect(try await cluster.client.list(AlluxioNode.self).items.map(\.metadata.name) == ["node"])
  }

  @Test("a node without volumes makes no object, and one whose object somebody has removed makes it again")
  func objects() async throws {
    try await running { node in
      while try await cluster.calls().isEmpty {}
      #expect(try await cluster.calls().map(\.verb).contains("create") == false)
      try await node.publish(node.request("v", at: "a"))
      _ = try await cluster.report { $0.volumeCount == 1 }
      try await cluster.client.delete(AlluxioNode.self, name: "node")
      try await node.publish(node.request("w", at: "b"))
      _ = try await cluster.report { $0.volumeCount == 2 }
      try await node.unpublish("v", at: "a")
      try await node.unpublish("w", at: "b")
    }
  }

  @Test("the next plugin takes back what the one before it said of volumes that are no more")
  func restarted() async throws {
    let other = AlluxioNode(nodeID: "node")
    _ = try await cluster.client.create(other)
    struct Patch: Encodable { var status: AlluxioNode.Status }
    _ = try await cluster.client.patch(
      AlluxioNode.self, name: "node", subresource: "status", with: Patch(status: .test(.test("old"))))
    try await running { _ in _ = try await cluster.report { $0.volumes == [] } }
  }

  @Test("while the server is away or refuses, calls of the node go on; when it is back it hears how things are then")
  func away() async throws {
    let proxy = try FaultProxy(before: cluster.server.process)
    let client = try KubernetesClient(
      ClusterAccess(server: proxy.url + cluster.server.path), policy: RetryPolicy(attempts: 1))
    try proxy.inject(.error(503, "Away").on(count: 100_000))
    try await running(try reports(client)) { node in
      for round in 0..<20 {
        try await node.publish(node.request("v\(round)", at: "a"))
        try await node.unpublish("v\(round)", at: "a")
      }
      try await node.publish(node.request("last", at: "a"))
      #expect(try await cluster.calls().isEmpty)
      try proxy.clear()
      let status = try await cluster.report { $0.volumeCount == 1 }
      #expect(status.volumes?.map(\.volumeID) == ["last"])
      // The object is made, and its status is written once: nothing was kept of what was before.
      #expect(try await cluster.calls().filter { $0.status < 300 }.map(\.verb) == ["create", "patch"])
      try await node.unpublish("last", at: "a")
    }
  }

  @Test("all that it asks of the API is what the rules of the node in the chart allow, and nothing is missing")
  func rules() async throws {
    try await cluster.server.allow([
      .init(verbs: ["create", "list"], group: "csi.alluxio.com", resources: ["alluxionodes"]),
      .init(verbs: ["patch"], group: "csi.alluxio.com", resources: ["alluxionodes/status"]),
    ])
    try await running { node in
      try await node.publish(node.request("v", at: "a"))
      _ = try await cluster.report { $0.volumeCount == 1 }
      try await node.unpublish("v", at: "a")
      _ = try await cluster.report { $0.volumeCount == 0 }
    }
    let calls = try await cluster.calls()
    #expect(calls.allSatisfy { $0.status != 403 && $0.name ?? "node" == "node" })
    let used = Set(calls.map { "\($0.verb) \($0.resource)\($0.subresource.map { "/\($0)" } ?? "")" })
    #expect(used == ["create alluxionodes", "patch alluxionodes/status"])
  }
}
