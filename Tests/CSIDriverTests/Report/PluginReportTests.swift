import Glibc
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing
import VolumeModel

@testable import CSIDriver
@testable import Kubernetes

/// A real node plugin with a real mount, a real controller, and what the cluster shows of the volume.
@Suite("Reports of the node plugin", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct PluginReportTests {
  let cluster: ReportServer
  let folder: TemporaryDirectory

  init() throws {
    cluster = try ReportServer()
    folder = try TemporaryDirectory("reports")
  }

  private func withNode(_ body: (PluginProcess) async throws -> Void) async throws {
    let config = try EventServer.kubeconfig(cluster.server.url, in: folder)
    try await PluginProcess.with(["--mode", "node", "--node-reports", "kubernetes:\(config)"], body)
  }

  private func withController(_ body: (PluginProcess) async throws -> Void) async throws {
    let config = try EventServer.kubeconfig(cluster.server.url, in: folder)
    try await PluginProcess.with(["--mode", "controller", "--registry", "kubernetes:\(config)"], body)
  }

  /// kill -9, and waits until the next worker has answered.
  private func killWorker(_ node: PluginProcess, reading file: String) async throws {
    let pid = try #require(try await node.mounter.list(by: .after(.patient)).first?.pid)
    let process = try PidFD(pid: pid)
    try process.signal(SIGKILL)
    _ = try await OwnThread.run { try process.hasEnded(within: Waiting.limit) }
    #expect(try WholeFile.text(node.target(file)) == "x")
  }

  @Test("kubectl shows the hit rate of a bucket's volume, that its worker was killed, and that it is used no more")
  func bucket() async throws {
    let store = try TestStore.moto()
    try store.put("file", "x")
    try await withNode { node in
      try await node.calls.publish("v", at: node.target("a"), context: store.context(), secrets: TestStore.secrets())
      while try await node.mounter.list(by: .after(.patient)).first?.counters?.hits ?? 0 == 0 {
        let file = try Descriptor.open(node.target("a/file"), O_RDONLY | Descriptor.directIOFlag)
        _ = try file.bytes(at: 0, count: 1)
      }
      // The next plugin reports at once what the worker has counted by now.
      try node.kill()
      try await node.restart()
      _ = try await cluster.report { $0.volumes?.first?.cache?.hits ?? 0 > 0 }
      try await withController { controller in
        let volume = try await cluster.volume("v") { $0.status?.cache?.hitRate != nil }
        #expect(volume.status?.cache?.hitRate?.hasSuffix("%") == true && volume.status?.nodeCount == 1)
        #expect(volume.status?.conditions?.first?.status == "True" && volume.status?.lastError == nil)
        try await killWorker(node, reading: "a/file")
        let killed = try await cluster.volume("v") { $0.status?.lastError != nil }
        #expect(killed.status?.lastError?.nodeID == "node")
        #expect(killed.status?.lastError?.message.contains("ended by SIGKILL") == true)
        try await node.calls.unpublish("v", at: node.target("a"))
        while try await !cluster.client.list(AlluxioVolume.self).items.isEmpty {}
        #expect(!controller.log.contains("canary"))
      }
      #expect(!node.log.contains("canary"))
    }
  }

  @Test("how far a volume is loaded ahead is in the report for as long as that takes")
  func warmUp() async throws {
    let store = try TestStore.moto()
    // The first one is what the worker itself tries.
    try store.put("a", "x")
    try store.put("ahead", "x")
    let proxy = try FaultProxy(before: store.server)
    try proxy.inject(.stall(until: "later").on(method: "GET", path: "/ahead", count: 0))
    try await withNode { node in
      let context = store.context(at: proxy.url).merging(["warmUp": "/"]) { $1 }
      try await node.calls.publish("v", at: node.target("a"), context: context, secrets: TestStore.secrets())
      // Something that people must know takes with it what is only looked at now and then.
      try await node.calls.publish("w", at: node.target("b"), context: node.context)
      let status = try await cluster.report { $0.volumeCount == 2 }
      #expect(status.volumes?.first?.warmUpPercent == 0 && status.volumes?.last?.warmUpPercent == nil)
      try proxy.clear()
      try proxy.release("later")
      try await OwnThread.run { while !node.log.contains("the volume is loaded") {} }
      try await node.calls.unpublish("w", at: node.target("b"))
      let later = try await cluster.report { $0.volumeCount == 1 }
      #expect(later.volumes?.first?.warmUpPercent == nil)
      try await node.calls.unpublish("v", at: node.target("a"))
    }
  }

  @Test("a volume whose worker dies over and over is not usable, says where and why, and cannot be deleted meanwhile")
  func condition() async throws {
    try await withNode { node in
      try await withController { controller in
        try node.folder.write("x", to: "data/file")
        let volume = try await controller.calls.create("v", parameters: ["path": "s3://bucket/prefix"])
        try await node.calls.publish(volume.id, at: node.target("a"), context: node.context)
        for _ in 0..<3 { try await killWorker(node, reading: "a/file") }
        let object = try await cluster.volume(volume.id) { $0.status?.conditions?.first?.status == "False" }
        #expect(object.status?.conditions?.first?.message.hasPrefix("node: worker was killed 3 times") == true)
        #expect(object.spec.record?.state == .ready)
        await #expect(throws: (any Error).self) { try await controller.calls.delete(volume.id) }
        try await node.calls.unpublish(volume.id, at: node.target("a"))
        _ = try await cluster.volume(volume.id) { $0.status?.nodeCount == 0 }
        try await controller.calls.delete(volume.id)
      }
    }
  }
}
