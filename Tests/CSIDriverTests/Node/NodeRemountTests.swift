import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// One after the other: a mount namespace that one test makes has copies of the others' mounts.
@Suite("Lost mounts", .serialized)
enum LostMounts {}

extension LostMounts {
  @Suite("Node remount", .serialized, .requiresFuse) struct NodeRemountTests {
    let mounter = HollowMounter()
    let key = WorkerKey(volumeID: "volume")
  }
  @Suite("Both gone", .serialized, .requiresFuse) struct BothGoneTests {}
}

/// Volumes whose mount was lost with all who held it: the next plugin mounts them again from its records.
extension LostMounts.NodeRemountTests {
  /// Processes that other tests start in mount namespaces of their own have copies of a lost mount as long as they live.
  private func condition(of node: NodeFixture) async -> VolumeCondition? {
    let end = Deadline.after(.patient)
    while let condition = node.service.publication(of: "volume")?.condition {
      guard condition.message.contains("still see the mount that was lost"), Deadline.now < end else {
        return condition
      }
      await node.service.lookForStaleUsers(of: key, by: end)
    }
    return nil
  }

  private func expectNothingLeft(of node: NodeFixture, afterUnpublishing names: String...) async throws {
    for name in names { try await node.unpublish(at: name) }
    #expect(try node.isClean())
  }

  @Test("a mounter that knows nothing gets every published volume again: one mount at each target, flags as before")
  func allLost() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    try await node.publish(node.request(at: "b", readOnly: true))
    mounter.lose(key)
    let next = try await node.restarted()
    await next.service.recoverPublished()
    let connection = try #require(mounter.statuses.first?.connection)
    for name in ["a", "b"] { #expect(try next.mounts(at: name).map(\.minor) == [connection]) }
    #expect(try next.mounts(at: "b").first?.flags.contains(.readOnly) == true)
    #expect(await condition(of: next)?.abnormal == false)
    #expect(await condition(of: next)?.message.hasPrefix("recovered: ") == true)
    try await next.publish(next.request(at: "a"))
    #expect(mounter.calls == ["mount volume", "mount volume"])
    try await expectNothingLeft(of: next, afterUnpublishing: "a", "b")
  }

  @Test("after a restart of the node nothing is mounted, and a target's directory may be gone: both come back")
  func mountTableEmpty() async throws {
    let node = try await NodeFixture(mounter: mounter)
    for name in ["a", "b"] { try await node.publish(node.request(at: name)) }
    mounter.lose(key)
    for mount in try node.mounts() { try Mount.unmount(mount, flags: [.detach]) }
    _ = try InodeFlags.setImmutable(false, on: try Descriptor.open(node.target("b"), 0))
    #expect(rmdir(node.target("b")) == 0)
    let next = try await node.restarted()
    await next.service.recoverPublished()
    for name in ["a", "b"] { #expect(try next.mounts(at: name).count == 1) }
    try await expectNothingLeft(of: next, afterUnpublishing: "a", "b")
  }

  @Test("a target whose pod's folder is gone with the restart is forgotten, and can be published again")
  func podFolderGone() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/pod")
    try await node.publish(node.request(at: "pod/mount"))
    mounter.lose(key)
    for mount in try node.mounts() { try Mount.unmount(mount, flags: [.detach]) }
    _ = try InodeFlags.setImmutable(false, on: try Descriptor.open(node.target("pod/mount"), 0))
    #expect(rmdir(node.target("pod/mount")) == 0 && rmdir(node.target("pod")) == 0)
    let next = try await node.restarted()
    await next.service.recoverPublished()
    #expect(try next.isClean())
    #expect(next.service.publication(of: "volume") == nil)
    try node.folder.makeDirectory("kubelet/pod")
    try await next.publish(next.request(at: "pod/mount", readOnly: true))
    try await next.unpublish(at: "pod/mount")
    #expect(try next.records().isEmpty)
  }

  @Test("a volume whose secrets nobody holds any more waits for its republish, and says so")
  func secretsLost() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let secrets = ["s3a.accessKeyId": "id", "s3a.secretKey": "key"]
    try await node.publish(node.request(at: "a", secrets: secrets, context: ["path": "s3://bucket"]))
    mounter.lose(key)
    let next = try await node.restarted()
    await next.service.recoverPublished()
    #expect(mounter.statuses.isEmpty)
    #expect(await condition(of: next)?.abnormal == true)
    #expect(await condition(of: next)?.message.contains("restart needed") == true)
    #expect(await condition(of: next)?.message.contains("publishes it again") == true)
    try await next.publish(next.request(at: "a", secrets: secrets, context: ["path": "s3://bucket"]))
    #expect(await condition(of: next)?.abnormal == false)
    #expect(mounter.secrets(of: key) != nil)
    #expect(try next.mounts(at: "a").count == 1)
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }

  @Test("a volume that the node's own credentials serve is mounted again from its record as it was asked for")
  func objectStore() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let context = [
      "path": "s3://bucket/p", "alluxio.underfs.s3.endpoint": "http://minio:9000", "pageStoreSize": "3Gi",
      "alluxio.underfs.s3.region": "here", "alluxio.underfs.s3.disable.dns.buckets": "true", "pageSize": "4Mi",
    ]
    let unrelated = ["fs.oss.accessKeyId": "id", "fs.oss.accessKeySecret": "key"]
    try await node.publish(node.request(at: "a", secrets: unrelated, context: context))
    let request = try #require(mounter.statuses.first?.request)
    #expect(request.objectStore?.pageStore == node.configuration.paths.pageStore)
    #expect(request.objectStore?.pageStoreBytes == 3 << 30)
    mounter.lose(key)
    let next = try await node.restarted()
    await next.service.recoverPublished()
    #expect(mounter.statuses.first?.request == request)
    #expect(await condition(of: next)?.message.hasPrefix("recovered: ") == true)
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }

  @Test("what cannot be mounted again is told with its reason, leaves the others alone and is tried again")
  func cannotBeMounted() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    mounter.lose(key)
    let next = try await node.restarted()
    mounter.setFaults(.init(ensureMounted: .underFileSystemAbsent(path: "/nas")))
    await next.service.recoverPublished()
    #expect(await condition(of: next)?.abnormal == true)
    #expect(await condition(of: next)?.message.contains("/nas") == true)
    mounter.setFaults(.init())
    await next.service.recoverPublished()
    #expect(await condition(of: next)?.message.hasPrefix("recovered: ") == true)
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }

  @Test("calls for a volume under recovery queue behind it")
  func callsQueue() async throws {
    let node = try await NodeFixture(mounter: mounter)
    for name in ["a", "b"] { try await node.publish(node.request(at: name)) }
    mounter.lose(key)
    let next = try await node.restarted()
    let follower = Task { await next.service.followMounter() }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await next.publish(next.request(at: "a")) }
      group.addTask { try await next.unpublish(at: "b") }
      try await group.waitForAll()
    }
    #expect(try next.mounts(at: "a").count == 1)
    #expect(try next.mounts(at: "b").isEmpty)
    follower.cancel()
    await follower.value
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }
}

/// The same with the real plugin, mounter and workers.
extension LostMounts.BothGoneTests {
  /// A process in a mount namespace of its own, which gets what is mounted on the node.
  private struct Container: Sendable {
    let process: PidFD
    /// It reads a line from this.
    let input: SharedBox<Pipe>

    /// Ends what it reads, and waits for its end.
    func finish() throws -> ProcessExit? {
      input.value.closeWriter()
      return try Waiting.untilEnded(process)
    }
  }

  private func container(_ plugin: PluginProcess, _ script: String) throws -> Container {
    let input = try Pipe()
    let output = try Descriptor.open(plugin.folder.appending("output"), O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600)
    var spawn = Spawn(
      executable: "/usr/bin/unshare",
      arguments: ["unshare", "--mount", "--propagation", "slave", "/bin/sh", "-c", script],
      environment: ["PATH=/usr/bin:/bin"])
    spawn.descriptors = [0: input.reader.rawValue, 1: output.rawValue, 2: output.rawValue]
    return Container(process: try spawn.start(), input: SharedBox(input))
  }

  @Test("plugin, mounter and worker killed: the next plugin shows the files again, also in another mount namespace")
  func allKilled() async throws {
    try await PluginProcess.withSharedFolders { plugin in
      try plugin.folder.write("x", to: "data/file")
      for name in ["a", "b"] { try await plugin.calls.publish("v", at: plugin.target(name), context: plugin.context) }
      let other = try container(plugin, "read line; cat \(plugin.target("a"))/file")
      try await plugin.killAll()
      #expect(throws: Errno.self) { try WholeFile.text(plugin.target("a/file")) }
      try await plugin.restart()
      _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
      for name in ["a", "b"] {
        #expect(try MountTable.read().all(at: plugin.target(name)).count == 1)
        #expect(try WholeFile.text(plugin.target("\(name)/file")) == "x")
      }
      #expect(try other.finish() == .exited(code: 0))
      #expect(try WholeFile.text(plugin.folder.appending("output")) == "x")
      // The condition is known a moment before the log has it.
      let end = Deadline.after(.patient)
      while !plugin.log.contains("a mount was lost and made again"), Deadline.now < end { await Task.yield() }
      #expect(Deadline.now < end)
      for name in ["a", "b"] { try await plugin.calls.unpublish("v", at: plugin.target(name)) }
    }
  }

  @Test("a container that mounts do not reach is named as the one to restart, until it has ended")
  func staleContainer() async throws { try await PluginProcess.withSharedFolders { try await stale($0) } }

  private func stale(_ plugin: PluginProcess) async throws {
    try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
    let ready = plugin.folder.appending("ready")
    let other = try container(plugin, "mount --make-rprivate / && echo > \(ready); read line; exit 0")
    try Waiting.untilExists(ready)
    try await plugin.killAll()
    try await plugin.restart()
    let condition = try await plugin.waitForCondition(at: "a") { $0.message.contains("restart needed") }
    #expect(condition.abnormal)
    #expect(condition.message.contains("sh (pid "), "\(condition.message)")
    _ = try other.finish()
    _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
    try await plugin.calls.unpublish("v", at: plugin.target("a"))
  }

  @Test("mounter and plugin killed at once where no parent holds the mounts: the next plugin mounts the volume again")
  func mounterAndPluginKilled() async throws {
    try await PluginProcess.with { plugin in
      try plugin.folder.write("x", to: "data/file")
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      try plugin.kill()
      try plugin.killMounter()
      try await plugin.restart()
      _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
      #expect(try MountTable.read().all(at: plugin.target("a")).count == 1)
      #expect(try WholeFile.text(plugin.target("a/file")) == "x")
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(try await plugin.isClean())
    }
  }

  @Test("with everything killed and unmounted not even root writes into a target or the source's folder")
  func absentMountIsShut() async throws {
    try await PluginProcess.with { plugin in
      try await plugin.calls.publish("v", at: plugin.target("a"), context: plugin.context)
      let source = plugin.folder.appending("state/volumes/\(WorkerKey(volumeID: "v").name)/mount")
      guard let flag = try InodeFlags.isImmutable(try Descriptor.open(plugin.folder.appending("data"), 0)) else {
        return
      }
      #expect(!flag)
      try await plugin.killAll()
      for path in [plugin.target("a"), source] {
        #expect(open("\(path)/new", O_WRONLY | O_CREAT, 0o600) == -1)
        try Mount.unmount(path, flags: [.detach])
        #expect(try InodeFlags.isImmutable(try Descriptor.open(path, 0)) == true)
        #expect(mkdir("\(path)/new", 0o700) == -1 && errno == EPERM)
        #expect(rmdir(path) == -1 && errno == EPERM)
      }
      try await plugin.restart()
      _ = try await plugin.waitForCondition(at: "a") { $0.message.hasPrefix("recovered: ") }
      try await plugin.calls.unpublish("v", at: plugin.target("a"))
      #expect(try await plugin.isClean())
      #expect(throws: Errno.noSuchFileOrDirectory) { _ = try Descriptor.reach(source) }
    }
  }
}
