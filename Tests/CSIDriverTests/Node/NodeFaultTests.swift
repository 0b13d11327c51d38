import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Workers that stop or die, and plugins that are killed, with the real chain.
@Suite("Node faults", .serialized, .requiresFuse)
struct NodeFaultTests {
  private func worker(of plugin: PluginProcess) async throws -> PidFD {
    let status = try #require(try await plugin.mounter.list(by: .after(.patient)).first)
    return try PidFD(pid: try #require(status.pid))
  }

  @Test("with a worker that is stopped every call returns by its deadline, and the volume can be taken down")
  func stoppedWorker() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context)
      try await worker(of: plugin).signal(SIGSTOP)
      var calls = plugin.calls
      calls.timeout = .seconds(8)
      let start = ContinuousClock.now
      try await calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await calls.publish("v", at: plugin.target("c"), context: plugin.context)
      let stats = try await calls.stats("v", at: plugin.target("a"))
      #expect(stats.condition.abnormal)
      let again = try await calls.stats("v", at: plugin.target("a"))
      #expect(again.condition.abnormal)
      for name in ["a", "b", "c"] {
        do throws(RPCError) { try await calls.unpublish("v", at: plugin.target(name)) } catch {
          #expect(error.code == .deadlineExceeded)
          try await plugin.calls.unpublish("v", at: plugin.target(name))
        }
      }
      #expect(ContinuousClock.now - start < .seconds(60))
      #expect(try await plugin.isClean())
    }
  }

  @Test("a worker that is killed is replaced under its targets, shows in the condition, and a repeat finds the new one")
  func killedWorker() async throws {
    try await PluginProcess.with { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context)
      for kill in 1...3 {
        let worker = try await worker(of: plugin)
        try worker.signal(SIGKILL)
        _ = try Waiting.untilEnded(worker)
        for name in ["a", "b"] { #expect(try WholeFile.text(plugin.target("\(name)/file")) == "x") }
        // Waits for the next worker.
        try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
        let stats = try await plugin.calls.stats("v", at: plugin.target("a"))
        #expect(stats.condition.abnormal == (kill == 3), "\(stats.condition.message)")
        let count = ["once", "2 times", "3 times"][kill - 1]
        #expect(stats.condition.message.contains("worker was killed \(count) in 10 min: SIGKILL"))
      }
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try await plugin.isClean())
    }
  }

  @Test("kill -9 of the plugin: volumes go on, and the next plugin knows them")
  func killedPlugin() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      let worker = try await worker(of: plugin).pid
      try plugin.kill()
      try plugin.folder.write("x", to: "kubelet/a/file")
      try await plugin.restart()
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try await plugin.calls.publish("v", at: plugin.target("b"), context: plugin.context)
      #expect(try await self.worker(of: plugin).pid == worker)
      #expect(try WholeFile.text(plugin.target("b/file")) == "x")
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try await plugin.isClean())
    }
  }

  @Test("kill -9 of the plugin at random moments of publish and unpublish: nothing is lost, doubled or left")
  func killedAtRandom() async throws {
    let seed: UInt64 = 20
    var random = SeededGenerator(seed: seed)
    try await PluginProcess.with { plugin in
      for round in 0..<20 {
        let calling = Task {
          var calls = plugin.calls
          calls.timeout = .seconds(2)
          try? await calls.publish("v", at: plugin.target("a"), context: plugin.context)
          try? await calls.publish("v", at: plugin.target("b"), context: plugin.context)
          try? await calls.unpublish("v", at: plugin.target("a"))
        }
        // Not waiting for an event but choosing the moment of the kill: the seed makes it repeatable up to the scheduler.
        try await Task.sleep(for: .microseconds(Int64.random(in: 0..<120_000, using: &random)))
        try plugin.kill()
        await calling.value
        try await plugin.restart()
        for name in ["a", "b"] {
          try await plugin.calls.publish("v", at: plugin.target(name), context: plugin.context)
          #expect(try MountTable.read().all(at: plugin.target(name)).count == 1, "round \(round) of seed \(seed)")
          try plugin.folder.write("\(round)", to: "kubelet/\(name)/file")
        }
        #expect(try await plugin.mounter.list(by: .after(.patient)).count == 1, "round \(round) of seed \(seed)")
        for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
        #expect(try await plugin.isClean(), "round \(round) of seed \(seed)")
      }
    }
  }

  @Test("a plugin that is killed in the middle of a publish and not asked again leaves nothing after its restart")
  func killedAndForgotten() async throws {
    var random = SeededGenerator(seed: 21)
    try await PluginProcess.with { plugin in
      for _ in 0..<10 {
        let calling = Task {
          var calls = plugin.calls
          calls.timeout = .seconds(2)
          do throws(RPCError) {
            try await calls.publish("v", at: plugin.target("a"), context: plugin.context)
            return true
          } catch { return false }
        }
        try await Task.sleep(for: .microseconds(Int64.random(in: 0..<60_000, using: &random)))
        try plugin.kill()
        let wasAnswered = await calling.value
        try await plugin.restart()
        let isClean = try await plugin.isClean()
        if wasAnswered || !isClean {
          // The plugin had decided that it succeeded: then it is whole.
          #expect(try MountTable.read().all(at: plugin.target("a")).count == 1)
        }
        try await plugin.calls.unpublish("v", at: plugin.target("a"))
        #expect(try await plugin.isClean())
      }
    }
  }

  @Test("secrets reach neither the log, nor the state folder, nor an error")
  func secretsStayHidden() async throws {
    try await PluginProcess.with(["--log-level", "trace"]) { plugin in
      let secrets = ["s3a.secretKey": "hush-hush-hush"]
      let tokens = ["csi.storage.k8s.io/serviceAccount.tokens": "{\"token\":\"hush-hush-hush\"}"]
      let context = plugin.context.merging(tokens) { $1 }
      try await plugin.calls.publish("v", at: plugin.target("a"), context: context, secrets: secrets)
      let renewed = ["s3a.secretKey": "hush-hush-hush-again"]
      try await plugin.calls.publish("v", at: plugin.target("a"), context: context, secrets: renewed)
      let error = await #expect(throws: RPCError.self) {
        try await plugin.calls.publish("v", at: plugin.target("a"), context: context, readOnly: true, secrets: secrets)
      }
      #expect(error?.message.contains("hush") == false)
      #expect(!plugin.log.contains("hush-hush-hush"))
      for name in try DirectoryNames.list(plugin.folder.appending("state/targets")) {
        #expect(!(try WholeFile.text(plugin.folder.appending("state/targets/\(name)"))).contains("hush-hush-hush"))
      }
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }
}
