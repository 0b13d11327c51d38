import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Dead and hanging mounts, and plugins that begin where another one ended.
@Suite("Node recovery", .serialized, .requiresFuse)
struct NodeRecoveryTests {
  let mounter = HollowMounter()
  let key = WorkerKey(volumeID: "volume")

  /// A node with the volume published at these targets.
  private func published(at names: String...) async throws -> NodeFixture {
    let node = try await NodeFixture(mounter: mounter)
    for name in names { try await node.publish(node.request(at: name)) }
    return node
  }

  private func expectNothingLeft(of node: NodeFixture, afterUnpublishing names: String...) async throws {
    for name in names { try await node.unpublish(at: name) }
    #expect(try node.isClean())
  }

  /// A worker that no record knows.
  @discardableResult
  private func mountOrphan(on node: NodeFixture) async throws -> WorkerKey {
    let orphan = WorkerKey(volumeID: "orphan")
    let root = UnderFileSystemURI(scheme: .file, authority: "", path: "/")
    let request = MountRequest(
      key: orphan, underFileSystem: root, mountPoint: node.configuration.paths.mountPoint(orphan), fileRoots: [],
      options: .init())
    _ = try await mounter.ensureMounted(request, secrets: nil, by: .never)
    return orphan
  }

  @Test("the dead mount of a failed worker is replaced by a repeat, at all its targets")
  func deadWorker() async throws {
    let node = try await published(at: "a")
    try await node.publish(node.request(at: "b", readOnly: true))
    let old = try #require(try node.mounts(at: "a").first?.minor)
    mounter.kill(key)
    try await node.publish(node.request(at: "a"))
    let new = try #require(mounter.statuses.first?.connection)
    #expect(new != old || mounter.calls.count == 3)
    #expect(try node.mounts(at: "a").map(\.minor) == [new])
    #expect(try node.mounts(at: "b").map(\.minor) == [new])
    #expect(try node.mounts(at: "b").first?.flags.contains(.readOnly) == true)
    try await expectNothingLeft(of: node, afterUnpublishing: "a", "b")
  }

  @Test("a volume whose worker failed can be published at a new target")
  func newTargetOfDeadWorker() async throws {
    let node = try await published(at: "a")
    mounter.kill(key)
    try await node.publish(node.request(at: "b"))
    #expect(mounter.calls == ["mount volume", "unmount volume", "mount volume"])
    try await expectNothingLeft(of: node, afterUnpublishing: "a", "b")
  }

  @Test("dead mounts are unpublished like living ones")
  func unpublishDead() async throws {
    let node = try await published(at: "a")
    mounter.kill(key)
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
  }

  @Test("a target whose mount was taken away is mounted again by a repeat")
  func lostMount() async throws {
    let node = try await published(at: "a")
    try Mount.unmount(node.target("a"), flags: [.detach])
    try await node.publish(node.request(at: "a"))
    #expect(try node.mounts(at: "a").count == 1)
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
  }

  @Test("a mounter that was replaced and knows nothing gets the volume again, without a stack of mounts")
  func mounterReplaced() async throws {
    let node = try await published(at: "a", "b")
    mounter.lose(key)
    try await node.publish(node.request(at: "a"))
    for name in ["a", "b"] { #expect(try node.mounts(at: name).count == 1) }
    #expect(try MountTable.read().all(at: node.configuration.paths.mountPoint(key)).count == 1)
    try await expectNothingLeft(of: node, afterUnpublishing: "a", "b")
  }

  @Test("a repeat, statistics and unpublish of a volume that hangs all return in time")
  func hanging() async throws {
    let node = try await published(at: "a", "b")
    try await node.publish(node.request(at: "a"))
    let stats = try await node.stats(at: "a")
    #expect(stats.condition.abnormal)
    #expect(stats.bytes == nil)
    let again = try await node.stats(at: "a")
    #expect(again.condition.abnormal)
    try await expectNothingLeft(of: node, afterUnpublishing: "a", "b")
  }

  @Test("the condition of a volume tells that its worker is gone, by the event and by asking")
  func condition() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    try await node.publish(node.request(at: "a"))
    mounter.kill(key, reason: "killed by signal 9")
    while node.service.publication(of: "volume")?.condition.abnormal != true { await Task.yield() }
    let stats = try await node.stats(at: "a")
    #expect(stats.condition.abnormal)
    #expect(stats.condition.message.contains("signal 9"))
    try await node.unpublish(at: "a")
  }

  @Test("what an event says that is heard late does not undo what is known")
  func lateEvent() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    for volume in ["volume", "other"] { try await node.publish(node.request(volume, at: volume)) }
    func report(_ volume: String, _ state: WorkerStatus.State, revision: UInt64) throws {
      var status = try #require(mounter.statuses.first { $0.request.key.volumeID == volume })
      status.state = state
      status.revision = revision
      mounter.report(status)
    }
    try report("volume", .interrupted(reason: "stopped"), revision: 5)
    try report("volume", .ready, revision: 4)
    // Events are heard in their order: with this one, the others have been.
    try report("other", .interrupted(reason: "stopped"), revision: 1)
    while node.service.publication(of: "other")?.condition.abnormal != true { await Task.yield() }
    #expect(node.service.publication(of: "volume")?.condition.message.contains("stopped") == true)
    for volume in ["volume", "other"] { try await node.unpublish(volume, at: volume) }
  }

  @Test("statistics of an unknown volume or path are NOT_FOUND before the path is looked at")
  func unknownStats() async throws {
    let node = try await published(at: "a")
    for (volume, name) in [("other", "a"), ("volume", "b")] {
      let error = await #expect(throws: CSIError.self) { try await node.stats(volume, at: name) }
      #expect(error?.code == .notFound)
      let expansion = NodeExpandVolumeRequest(volumeID: volume, volumePath: node.target(name), capacity: nil)
      let second = await #expect(throws: CSIError.self) {
        try await node.service.expand(expansion, by: .after(.patient))
      }
      #expect(second?.code == .notFound)
    }
    for (volume, path) in [("", node.target("a")), ("volume", "")] {
      let request = NodeGetVolumeStatsRequest(volumeID: volume, volumePath: path)
      let error = await #expect(throws: CSIError.self) {
        try await node.service.stats(request, by: .after(.patient))
      }
      #expect(error?.code == .invalidArgument)
    }
    try await node.unpublish(at: "a")
  }

  @Test("an expansion reaches the worker and the record, and never shrinks")
  func expand() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a", context: ["capacity": "1Gi"]))
    func expand(to required: Int64, limit: Int64 = 0) async throws -> Int64 {
      let range = CapacityRange(required: required, limit: limit)
      let request = NodeExpandVolumeRequest(volumeID: "volume", volumePath: node.target("a"), capacity: range)
      return try await node.service.expand(request, by: .after(.patient))
    }
    #expect(try await expand(to: 2 << 30) == 2 << 30)
    #expect(mounter.statuses.first?.request.options.capacityBytes == 2 << 30)
    #expect(try await expand(to: 1 << 20) == 2 << 30)
    let error = await #expect(throws: CSIError.self) { try await expand(to: 1 << 20, limit: 1 << 30) }
    #expect(error?.code == .outOfRange)
    let restarted = try await node.restarted()
    try await restarted.publish(restarted.request(at: "b", context: ["capacity": "1Gi"]))
    #expect(mounter.statuses.first?.request.options.capacityBytes == 2 << 30)
    try await expectNothingLeft(of: restarted, afterUnpublishing: "a", "b")
  }

  @Test("the next plugin knows what is published")
  func restart() async throws {
    let node = try await published(at: "a")
    let before = try node.mounts(at: "a")
    let next = try await node.restarted()
    #expect(try next.mounts(at: "a") == before)
    try await next.publish(next.request(at: "a"))
    let error = await #expect(throws: CSIError.self) { try await next.publish(next.request(at: "a", readOnly: true)) }
    #expect(error?.code == .alreadyExists)
    #expect(mounter.calls == ["mount volume"])
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }

  @Test("the next plugin stops workers without targets, and only those")
  func orphans() async throws {
    let node = try await published(at: "a")
    try await mountOrphan(on: node)
    let next = try await node.restarted()
    #expect(mounter.statuses.map(\.request.key) == [key])
    try await expectNothingLeft(of: next, afterUnpublishing: "a")
  }

  @Test("what a mounter that is gone left mounted is taken away when its last target goes, or at the next start")
  func leftoversOfAMounter() async throws {
    let node = try await published(at: "a")
    mounter.lose(key)
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
    let orphan = try await mountOrphan(on: node)
    mounter.lose(orphan)
    let next = try await node.restarted()
    #expect(try next.isClean())
    #expect(try DirectoryNames.list(node.configuration.paths.volumes).isEmpty)
  }

  @Test("a publish whose deadline passes, or whose caller goes away, leaves nothing")
  func slowMounter() async throws {
    let node = try await NodeFixture(mounter: mounter)
    mounter.setFaults(.init(isSlow: true))
    let error = await #expect(throws: CSIError.self) {
      try await node.publish(node.request(at: "a"), within: .milliseconds(50))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(try node.isClean())
    let (begun, slowCalls) = AsyncStream.makeStream(of: Void.self)
    mounter.setFaults(.init(isSlow: true, slowCalls: slowCalls))
    let call = Task { try await node.publish(node.request(at: "a")) }
    for await _ in begun { break }
    call.cancel()
    _ = await call.result
    #expect(try node.isClean())
    mounter.setFaults(.init())
    try await node.publish(node.request(at: "a"))
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
  }

  @Test("a repair that fails keeps the record, and its repeat succeeds")
  func failedRepair() async throws {
    let node = try await published(at: "a")
    mounter.kill(key)
    mounter.setFaults(.init(ensureMounted: .workerFailed(reason: "exit 1", output: [])))
    await #expect(throws: CSIError.self) { try await node.publish(node.request(at: "a")) }
    #expect(try node.records().count == 1)
    mounter.setFaults(.init())
    try await node.publish(node.request(at: "a"))
    #expect(try node.mounts(at: "a").count == 1)
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
  }

  @Test("with a full disk a publish is RESOURCE_EXHAUSTED and leaves nothing, and unpublish works")
  func fullDisk() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let state = node.folder.appending("state")
    try Mount.mount(source: "tmpfs", target: state, type: "tmpfs", data: "size=64k")
    try node.folder.makeDirectory("state/targets")
    try await node.publish(node.request(at: "a"))
    #expect(throws: Errno.noSpace) { try node.folder.write(String(repeating: "x", count: 1 << 20), to: "state/filler") }
    let error = await #expect(throws: CSIError.self) { try await node.publish(node.request("other", at: "b")) }
    #expect(error?.code == .resourceExhausted)
    #expect(!node.exists("b"))
    try await node.publish(node.request(at: "a"))
    try await node.unpublish(at: "a")
    #expect(try node.mounts() == [state])
    #expect(try node.records().isEmpty)
    try Mount.unmount(state)
  }

  @Test("while the mounter is away the last target is unmounted, unpublish is UNAVAILABLE, and its repeat succeeds")
  func unpublishWithoutMounter() async throws {
    let node = try await published(at: "a")
    mounter.setFaults(.init(all: .unreachable(socket: "/s", reason: "gone")))
    let error = await #expect(throws: CSIError.self) { try await node.unpublish(at: "a") }
    #expect(error?.code == .unavailable)
    mounter.setFaults(.init())
    try await expectNothingLeft(of: node, afterUnpublishing: "a")
  }

  @Test("files among the records that are none are left alone and harm nobody")
  func strangeRecords() async throws {
    let node = try await published(at: "a")
    let strange = String(repeating: "a", count: 32) + ".json"
    try node.folder.write("{", to: "state/targets/\(strange)")
    try node.folder.write("x", to: "state/targets/notes.txt")
    // As a power cut shortly after a write leaves it.
    try node.folder.write("", to: "state/targets/\(String(repeating: "b", count: 32)).json")
    let next = try await node.restarted()
    try await next.unpublish(at: "a")
    #expect(try next.records() == [strange, "notes.txt"])
  }
}
