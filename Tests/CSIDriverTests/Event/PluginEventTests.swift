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

/// The real plugin, mounter and workers, and the events that people find beside their pods.
@Suite("Events of the node plugin", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct PluginEventTests {
  let cluster: EventServer
  let folder: TemporaryDirectory

  init() throws {
    cluster = try EventServer()
    folder = try TemporaryDirectory("events")
  }

  private func arguments(_ url: String? = nil) throws -> [String] {
    ["--events", "kubernetes:" + (try EventServer.kubeconfig(url ?? cluster.server.url, in: folder))]
  }

  private func publish(_ plugin: PluginProcess, _ names: String...) async throws {
    for name in names {
      try await plugin.calls.publish(
        "v", at: plugin.target(name), context: plugin.context.merging(EventServer.context(name)) { own, _ in own })
    }
  }

  /// kill -9, and waits until the next worker has answered.
  private func killWorker(_ plugin: PluginProcess) async throws {
    let pid = try #require(try await plugin.mounter.list(by: .after(.patient)).first?.pid)
    let process = try PidFD(pid: pid)
    try process.signal(SIGKILL)
    _ = try await OwnThread.run { try process.hasEnded(within: Waiting.limit) }
    #expect(try WholeFile.text(plugin.target("a/file")) == "x")
  }

  @Test("a worker that is killed is told to each pod that uses the volume, and how long they waited")
  func killed() async throws {
    try await PluginProcess.with(try arguments()) { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await publish(plugin, "a", "b")
      try await killWorker(plugin)
      for pod in ["a", "b"] {
        let events = try await cluster.reasons("WorkerEnded", "WorkerRecovered", of: pod)
        #expect(events.map(\.type) == ["Warning", "Normal"])
        #expect(
          events[0].note
            == "volume v: the worker was ended by SIGKILL; the next one is being started")
        #expect(events[1].note?.contains("waited for at most") == true)
        #expect(events.allSatisfy { $0.metadata.namespace == "team" && $0.regarding?.name == pod })
        #expect(events.allSatisfy { $0.regarding?.kind == "Pod" && $0.reportingController == "alluxio/node" })
        #expect(events.allSatisfy { $0.reportingInstance == "node" })
      }
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      let calls = try await cluster.server.calls().filter { $0.verb != "list" }
      #expect(calls.allSatisfy { $0.group == "events.k8s.io" && $0.resource == "events" && $0.namespace == "team" })
    }
  }

  @Test(
    "the claim that the controller made a volume for is told, beside the pods, and where the API refuses it the pods are"
  )
  func claim() async throws {
    try await PluginProcess.with(try arguments()) { plugin in
      try plugin.folder.write("x", to: "data/file")
      let parameters = plugin.context.merging(ClaimEventTests.context("a")) { own, _ in own }.filter {
        !$0.key.hasPrefix("csi.storage.k8s.io/pod.") && !$0.key.hasPrefix("csi.storage.k8s.io/serviceAccount")
      }
      let volume = try await plugin.calls.create("alluxio-\(ClaimEventTests.uid)", parameters: parameters)
      try await plugin.calls.publish(
        volume.id, at: plugin.target("a"),
        context: volume.context.merging(EventServer.context("a")) { own, _ in own })
      try await killWorker(plugin)
      _ = try await cluster.reasons("WorkerEnded", "WorkerRecovered", of: "a")
      let told = try await cluster.events().filter { $0.regarding?.name == "data" }
      #expect(Set(told.map(\.reason)) == ["WorkerEnded", "WorkerRecovered"])
      #expect(told.allSatisfy { $0.regarding?.uid == ClaimEventTests.uid && $0.regarding?.namespace == "team" })
      #expect(told.allSatisfy { $0.note?.contains("volume \(volume.id) on node node: ") == true })
      // One answer each for the first two events, which are the claim's.
      let refusal = KubernetesServer.Answer(403, reason: "Forbidden", method: "POST", target: "events")
      try await cluster.server.answer([refusal])
      try await plugin.calls.publish(
        "v", at: plugin.target("b"),
        context: plugin.context.merging(ClaimEventTests.context("b")) { own, _ in own })
      try await plugin.calls.unpublish(volume.id, at: plugin.target("a"))
      let pid = try #require(try await plugin.mounter.list(by: .after(.patient)).first?.pid)
      try PidFD(pid: pid).signal(SIGKILL)
      _ = try await cluster.reasons("WorkerEnded", "WorkerRecovered", of: "b")
      try await plugin.calls.unpublish("v", at: plugin.target("b"))
      #expect(plugin.log.contains("events of pods and claims are not taken"))
    }
  }

  @Test("one that is killed over and over is a series, and the calls are those that the chart's rules allow")
  func series() async throws {
    try await cluster.server.allow([
      .init(verbs: ["create", "patch", "list"], group: "events.k8s.io", resources: ["events"])
    ])
    try await PluginProcess.with(try arguments()) { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await publish(plugin, "a")
      for _ in 0..<4 { try await killWorker(plugin) }
      while try await !cluster.events().contains(where: { $0.reason == "WorkerEnded" && $0.series != nil }) {}
      #expect(try await cluster.events().filter { $0.reason == "WorkerEnded" }.count == 1)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
    let calls = try await cluster.server.calls()
    #expect(calls.allSatisfy { $0.status < 300 })
    #expect(Set(calls.map(\.verb)).subtracting(["list"]) == ["create", "patch"])
  }

  @Test("the next plugin knows the pods of the one before")
  func restarted() async throws {
    try await PluginProcess.with(try arguments()) { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await publish(plugin, "a")
      try plugin.kill()
      try await plugin.restart()
      // What was before the plugin is not news: it must have seen the worker.
      _ = try await plugin.calls.stats("v", at: plugin.target("a"))
      try await killWorker(plugin)
      _ = try await cluster.reasons("WorkerEnded", "WorkerRecovered", of: "a")
      try await plugin.killAll()
      try await plugin.restart()
      _ = try await cluster.reasons("MountRecovered", of: "a")
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }

  @Test("credentials that the store refuses are told without their values, and that good ones are taken")
  func credentials() async throws {
    let store = try TestStore.rclone()
    try await PluginProcess.with(try arguments()) { plugin in
      let context = store.context().merging(EventServer.context("a")) { own, _ in own }
      func publish(_ secrets: [String: String]) async throws {
        try await plugin.calls.publish("v", at: plugin.target("a"), context: context, secrets: secrets)
      }
      try await publish(TestStore.secrets())
      try await publish(TestStore.secrets(key: "canary-wrong-0123456789abcdef"))
      let refused = try await cluster.reasons("CredentialsRefused", of: "a")
      #expect(refused.first?.note?.contains("new credentials are not used: ") == true)
      try await publish(TestStore.secrets())
      let taken = try await cluster.reasons("CredentialsTaken", of: "a")
      #expect(taken.first?.type == "Normal" && refused.first?.type == "Warning")
      #expect(try await cluster.events().allSatisfy { $0.note?.contains("canary") == false })
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }

  @Test("an API server that refuses events is logged once, and volumes are served all the same")
  func refused() async throws {
    try await cluster.server.allow([.init(verbs: ["get"], group: "events.k8s.io", resources: ["events"])])
    try await PluginProcess.with(try arguments()) { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await publish(plugin, "a")
      for _ in 0..<2 { try await killWorker(plugin) }
      // The second refusal comes after the first one was logged.
      while try await cluster.server.calls().count < 2 {}
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      let lines = plugin.log.split(separator: "\n").filter { $0.contains("events of pods and claims are not taken") }
      #expect(lines.count == 1 && lines.first?.contains("cannot create resource") == true, "\(lines)")
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
      try await publish(plugin, "a")
      for _ in 0..<3 { try await killWorker(plugin) }
      try await publish(plugin, "b")
      if isThere { while try proxy.log().requests.isEmpty {} }
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try await plugin.isClean())
      #expect(try plugin.end() == .exited(code: 0))
    }
  }

  @Test("kmock's emulator takes them, too")
  func kmock() async throws {
    let process = try ServerProcess.kmock(["events.k8s.io/v1/events"])
    let client = try KubernetesClient(ClusterAccess(server: process.url))
    try await PluginProcess.with(try arguments(process.url)) { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await publish(plugin, "a")
      try await killWorker(plugin)
      var events: [EventObject] = []
      while events.count < 2 { events = try await client.list(EventObject.self).items }
      #expect(Set(events.map(\.reason)) == ["WorkerEnded", "WorkerRecovered"])
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }
}
