import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import ObjectStoreServers
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Volumes on object stores over the whole chain: plugin, mounter, unprivileged worker, kernel, and a server of S3.
@Suite("Node plugin and object stores", .serialized, .requiresFuse)
struct NodeObjectStoreTests {
  /// The page folder of the volume "v".
  private func pageFolder(_ plugin: PluginProcess) -> String {
    plugin.folder.appending("state/pages/\(WorkerKey(volumeID: "v").name)")
  }

  @Test("what a pod writes is in the bucket, what is there another pod reads, and in the end the cache alone is left")
  func wholeChain() async throws {
    let store = try TestStore.moto()
    try store.put("dir/below", "from below")
    try await PluginProcess.with { plugin in
      let volume = try await plugin.calls.create("v", parameters: store.context())
      try await plugin.calls.publish(
        volume.id, at: plugin.target("rw"), context: volume.context, secrets: TestStore.secrets())
      try await plugin.calls.publish(
        volume.id, at: plugin.target("ro"), context: volume.context, readOnly: true,
        secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("rw/dir/below")) == "from below")
      try plugin.folder.write("from above", to: "kubelet/rw/dir/above")
      #expect(try store.text("dir/above") == "from above")
      #expect(try WholeFile.text(plugin.target("ro/dir/above")) == "from above")
      #expect(throws: Errno.readOnlyFileSystem) { try plugin.folder.write("x", to: "kubelet/ro/new") }
      let statistics = try await plugin.calls.stats(volume.id, at: plugin.target("rw"))
      #expect(!statistics.condition.abnormal && statistics.totals.keys.contains(1))
      let pid = try #require(try await plugin.mounter.list(by: .after(.patient)).first?.pid)
      let owner = try Descriptor.open(pageFolder(plugin), O_RDONLY | O_DIRECTORY).status()
      #expect(owner.uid != 0 && owner.mode & 0o777 == 0o700)
      let ids = try WholeFile.text("/proc/\(pid)/status").split(separator: "\n").first { $0.hasPrefix("Uid:") }
      #expect(ids?.split(separator: "\t").dropFirst().allSatisfy { $0 == "\(owner.uid)" } == true)
      for name in ["rw", "ro"] { try await plugin.calls.unpublish(volume.id, at: plugin.target(name)) }
      #expect(try await plugin.isClean())
      #expect(try DirectoryNames.list(pageFolder(plugin)).contains("pages"))
      try await plugin.calls.delete(volume.id)
      #expect(try store.text("dir/above") == "from above")
    }
  }

  @Test("a pod's service account takes a role with the kubelet's token, which is kept nowhere")
  func role() async throws {
    let store = try TestStore.moto()
    try store.put("file", "x")
    try await PluginProcess.with { plugin in
      func context(_ account: String, _ token: String) -> [String: String] {
        store.context().merging([
          "roleArn": "arn:aws:iam::123456789012:role/reader", "stsEndpoint": store.server.url,
          VolumeContextKey.serviceAccountName: account, VolumeContextKey.podNamespace: "apps",
          VolumeContextKey.serviceAccountTokens: "{\"sts.amazonaws.com\":{\"token\":\"\(token)\"}}",
        ]) { $1 }
      }
      try await plugin.calls.publish("v", at: plugin.target("a"), context: context("one", "canary.jwt.1"))
      #expect(try WholeFile.text(plugin.target("a/file")) == "x")
      // The kubelet's repetition, with the next token, and another account.
      try await plugin.calls.publish("v", at: plugin.target("a"), context: context("one", "canary.jwt.2"))
      try await plugin.calls.publish("v", at: plugin.target("b"), context: context("two", "canary.jwt.3"))
      #expect(try WholeFile.text(plugin.target("b/file")) == "x")
      let requests = try await plugin.mounter.list(by: .after(.patient)).map(\.request)
      #expect(Set(requests.map(\.key.credentialIdentity)) == ["apps/one", "apps/two"])
      #expect(try await plugin.calls.stats("v", at: plugin.target("a")).condition.abnormal == false)
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
      #expect(try await plugin.isClean())
      #expect(!plugin.log.contains("canary"))
    }
  }

  @Test("an inline volume with credentials of its own, and pods of another group with a worker of their own")
  func inlineAndGroup() async throws {
    let store = try TestStore.moto()
    try store.put("file", "x")
    try await PluginProcess.with { plugin in
      let inline = store.context().merging([VolumeContextKey.ephemeral: "true"]) { $1 }
      try await plugin.calls.publish("i", at: plugin.target("i"), context: inline, secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("i/file")) == "x")
      let group = VolumeCapability(
        accessType: .mount(.init(volumeMountGroup: "4711")), accessMode: .multiNodeMultiWriter)
      try await plugin.calls.publish(
        "v", at: plugin.target("g"), context: store.context(), capability: group,
        secrets: TestStore.secrets())
      try await plugin.calls.publish(
        "v", at: plugin.target("a"), context: store.context(), secrets: TestStore.secrets())
      #expect(try Descriptor.open(plugin.target("g/file"), O_RDONLY).status().gid == 4711)
      let requests = try await plugin.mounter.list(by: .after(.patient)).map(\.request)
      #expect(requests.count == 3)
      #expect(requests.filter { $0.objectStore?.usesNodeCredentials == true }.count == 2)
      let folders = try DirectoryNames.list(plugin.folder.appending("state/pages")).filter { $0.utf8.count == 32 }
      let owners = try folders.map { name in
        try Descriptor.open(plugin.folder.appending("state/pages/\(name)"), O_RDONLY | O_DIRECTORY).status().uid
      }
      #expect(owners.count == 3 && Set(owners).count == 3)
      for (id, name) in [("i", "i"), ("v", "g"), ("v", "a")] {
        try await plugin.calls.unpublish(id, at: plugin.target(name))
      }
      #expect(try await plugin.isClean())
    }
  }

  @Test("status and JSON show what the worker has counted")
  func counters() async throws {
    let store = try TestStore.moto()
    try store.put("file", "x")
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish(
        "v", at: plugin.target("a"), context: store.context(), secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("a/file")) == "x")
      let end = Deadline.after(.patient)
      var counters: VolumeCounters?
      while !end.hasPassed, counters?.requests.contains(where: { $0.kind == "GetObject" }) != true {
        counters = try await plugin.mounter.list(by: end).first?.counters
      }
      #expect(counters?.requests.contains { $0.kind == "GetObject" } == true)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
    }
  }

  @Test("new secrets replace the worker's; refused ones are a condition until good ones come, and files stay readable")
  func rotation() async throws {
    let store = try TestStore.rclone()
    try await PluginProcess.with { plugin in
      func publish(_ secrets: [String: String]) async throws {
        try await plugin.calls.publish("v", at: plugin.target("a"), context: store.context(), secrets: secrets)
      }
      try await publish(TestStore.secrets())
      let pid = try await plugin.mounter.list(by: .after(.patient)).first?.pid
      try await publish(TestStore.secrets(key: "canary-wrong-0123456789abcdef"))
      let condition = try await plugin.waitForCondition(at: "a") { $0.abnormal }
      #expect(condition.message.contains("new credentials are not used"), "\(condition.message)")
      #expect(!condition.message.contains("canary"))
      #expect(try WholeFile.text(plugin.target("a/below")) == "from below")
      try await publish(TestStore.secrets())
      _ = try await plugin.waitForCondition(at: "a") { !$0.abnormal }
      #expect(try await plugin.mounter.list(by: .after(.patient)).first?.pid == pid)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(!plugin.log.contains("canary"))
    }
  }

  @Test("everything killed: a volume that needs no secrets comes back, one that does waits for its republish")
  func allKilled() async throws {
    let open = try TestStore.moto()
    let shut = try TestStore.rclone()
    try open.put("below", "from below", isPublic: true)
    try await PluginProcess.withSharedFolders { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: open.context())
      try await plugin.calls.publish(
        "s", at: plugin.target("s"), context: shut.context(), secrets: TestStore.secrets())
      try await plugin.killAll()
      try await plugin.restart()
      _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
      #expect(try WholeFile.text(plugin.target("a/below")) == "from below")
      var condition = try await plugin.calls.stats("s", at: plugin.target("s")).condition
      let end = Deadline.after(.patient)
      while !condition.message.hasPrefix("restart needed: "), !end.hasPassed {
        condition = try await plugin.calls.stats("s", at: plugin.target("s")).condition
      }
      #expect(condition.abnormal && condition.message.contains("publishes it again"))
      try await plugin.calls.publish(
        "s", at: plugin.target("s"), context: shut.context(), secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("s/below")) == "from below")
      #expect(try await !plugin.calls.stats("s", at: plugin.target("s")).condition.abnormal)
      for (id, name) in [("v", "a"), ("s", "s")] { try await plugin.calls.unpublish(id, at: plugin.target(name)) }
    }
  }

  @Test("volumes share their pages where the administrator says so, and others, and inline volumes, never do")
  func sharing() async throws {
    let store = try TestStore.moto()
    try store.put("team/file", String(repeating: "x", count: 300_000))
    try await PluginProcess.with(["--share-pages", "s3://bucket/team"]) { plugin in
      var context = store.context(bucket: "bucket/team")
      try await plugin.calls.publish(
        "small", at: plugin.target("a"), context: context.merging(["pageStoreSize": "64Mi"]) { $1 },
        secrets: TestStore.secrets())
      try await plugin.calls.publish(
        "large", at: plugin.target("b"), context: context.merging(["pageStoreSize": "1Gi"]) { $1 },
        secrets: TestStore.secrets())
      context[VolumeContextKey.ephemeral] = "true"
      try await plugin.calls.publish("inline", at: plugin.target("c"), context: context, secrets: TestStore.secrets())
      try await plugin.calls.publish(
        "beside", at: plugin.target("d"), context: store.context(), secrets: TestStore.secrets())
      var folders: [String: String] = [:]
      for status in try await plugin.mounter.list(by: .after(.patient)) {
        folders[status.request.key.volumeID] = status.request.objectStore?.sharedPages?.name
      }
      let name = try #require(folders["small"])
      #expect(folders == ["small": name, "large": name])
      for target in ["a", "b", "c"] {
        #expect(try WholeFile.text(plugin.target("\(target)/file")).utf8.count == 300_000)
      }
      // A second target finds the worker as it is, and one that comes later has the largest size of all.
      let keys = ["small", "large"].map { WorkerKey(volumeID: $0) }
      try await plugin.calls.publish(
        "small", at: plugin.target("a2"),
        context: context.merging(["pageStoreSize": "64Mi"]) { $1 }
          .filter { $0.key != VolumeContextKey.ephemeral }, secrets: TestStore.secrets())
      for status in try await plugin.mounter.list(by: .after(.patient)) where keys.contains(status.request.key) {
        #expect(status.request.objectStore?.sharedPages?.name == name)
      }
      try await plugin.calls.publish(
        "later", at: plugin.target("e"),
        context: context.merging(["pageStoreSize": "1Mi"]) { $1 }
          .filter { $0.key != VolumeContextKey.ephemeral }, secrets: TestStore.secrets())
      let later = try await plugin.mounter.status(of: WorkerKey(volumeID: "later"), by: .after(.patient))
      #expect(later?.request.objectStore?.pageStoreBytes == 1 << 30)
      for (id, target) in [
        ("small", "a"), ("small", "a2"), ("large", "b"), ("inline", "c"), ("beside", "d"), ("later", "e"),
      ] {
        try await plugin.calls.unpublish(id, at: plugin.target(target))
      }
      // The folder stays for the next of them.
      #expect(try DirectoryNames.list(plugin.folder.appending("state/pages")).contains(name))
    }
  }

  @Test("what a volume left in the node's page store gives way to what another one reads")
  func budget() async throws {
    let store = try TestStore.moto()
    try store.put("file", String(repeating: "x", count: 4 << 20))
    try await PluginProcess.with(["--page-store-size", "4Mi"]) { plugin in
      try await plugin.calls.publish(
        "v", at: plugin.target("a"), context: store.context(), secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("a/file")).utf8.count == 4 << 20)
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      let left = pageFolder(plugin)
      #expect(try DirectoryNames.list(left).contains("pages"))
      try await plugin.calls.publish(
        "w", at: plugin.target("b"), context: store.context(), secrets: TestStore.secrets())
      #expect(try WholeFile.text(plugin.target("b/file")).utf8.count == 4 << 20)
      let pages = plugin.folder.appending("state/pages")
      try await OwnThread.run {
        try Waiting.untilFolder(pages) { (try? Descriptor.reach(left)) == nil }
      }
      #expect(try WholeFile.text(plugin.target("b/file")).utf8.count == 4 << 20)
      try await plugin.calls.unpublish("w", at: plugin.target("b"))
    }
  }
}
