import LinuxSystem
import ObjectStoreServers
import TestSupport
import Testing

@testable import CSIDriver
@testable import Kubernetes

/// The real plugin and mounter, on a node that starts with a taint.
@Suite("The node plugin and a startup taint", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct PluginStartupTests {
  let server: KubernetesServer
  let client: KubernetesClient
  let folder: TemporaryDirectory

  init() throws {
    server = try KubernetesServer()
    client = try .toServer(server)
    folder = try TemporaryDirectory("taint")
  }

  private func arguments(_ url: String? = nil) throws -> [String] {
    ["--startup-taint", "kubernetes:" + (try EventServer.kubeconfig(url ?? server.url, in: folder))]
  }

  private func createNode(_ key: String) async throws {
    _ = try await client.create(TaintedNode([.init(key: key, effect: "NoSchedule")]))
    var node = CSINodeObject(metadata: ObjectMetadata(name: "node"))
    node.spec = CSINodeObject.Spec(drivers: [CSINodeObject.Driver(name: "alluxio")])
    _ = try await client.create(node)
  }

  private func untilGone() async throws {
    while try await client.get(TaintedNode.self, name: "node").spec.taints != [] {}
  }

  @Test("it is removed with the rights of the chart alone, and once")
  func removed() async throws {
    try await createNode("example.com/starting")
    try await server.allow([
      .init(verbs: ["get", "patch"], group: "", resources: ["nodes"]),
      .init(verbs: ["get"], group: "storage.k8s.io", resources: ["csinodes"]),
    ])
    try await server.forget()
    let more = ["--startup-taint-key", "example.com/starting"]
    try await PluginProcess.with(try arguments() + more) { plugin in
      try await untilGone()
      #expect(try plugin.end() == .exited(code: 0))
      #expect(plugin.log.split(separator: "\n").filter { $0.contains("startup taint") }.count == 1)
    }
    #expect(try await server.calls().allSatisfy { $0.status == 200 })
    #expect(
      Set(try await server.calls().map { "\($0.verb) \($0.resource)" }) == ["get csinodes", "get nodes", "patch nodes"])
  }

  @Test("where there is no mounter the plugin answers, the taint stays, and the API is not asked")
  func noMounter() async throws {
    try await createNode(StartupTaint.usualKey)
    try await server.forget()
    let more = ["--mounter-socket", folder.appending("mounter.sock")]
    try await PluginProcess.with(try arguments() + more) { plugin in
      while !plugin.log.contains("the mounter does not answer yet") { try await plugin.calls.probe() }
      #expect(try await server.calls().isEmpty)
      #expect(try plugin.end() == .exited(code: 0))
    }
  }

  @Test(
    "an API server that never answers, or is not there, keeps no call, no pod and no end waiting",
    arguments: [true, false])
  func silent(isThere: Bool) async throws {
    let process = try ServerProcess.kmock([])
    let proxy = try FaultProxy(before: process)
    if isThere { try proxy.inject(.stall(until: "never").on(count: 1000)) }
    try await PluginProcess.with(try arguments(isThere ? proxy.url : "http://127.0.0.1:1")) { plugin in
      try plugin.folder.write("x", to: "data/file")
      if isThere { while try proxy.log().requests.isEmpty {} }
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      #expect(try WholeFile.text(plugin.target("a/file")) == "x")
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(try await plugin.isClean())
      #expect(try plugin.end() == .exited(code: 0))
    }
  }
}
