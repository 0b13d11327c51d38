import CSIDriver
import GRPC
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import Testing
import VolumeModel

/// Publishing and unpublishing over real FUSE mounts that nobody serves.
@Suite("Node publish", .serialized, .requiresFuse)
struct NodePublishTests {
  let mounter = HollowMounter()

  @Test("a published volume is mounted at its target, and nothing is left after unpublish")
  func publishAndUnpublish() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    let mount = try #require(try node.mounts(at: "a").first)
    #expect(mount.type == "fuse.alluxio-fuse")
    #expect(mount.flags.isSuperset(of: .volume))
    #expect(!mount.flags.contains(.readOnly))
    #expect(try node.records().count == 1)
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
    #expect(mounter.calls == ["mount volume", "unmount volume"])
  }

  @Test("a target that exists and is empty is used, and removed by unpublish")
  func existingDirectory() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/a")
    try await node.publish(node.request(at: "a"))
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("a repeat succeeds at once and changes nothing, whatever the kubelet's own keys say")
  func repeated() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    let before = try node.mounts(at: "a")
    try await node.publish(node.request(at: "a", context: ["csi.storage.k8s.io/pod.uid": "other"]))
    #expect(try node.mounts(at: "a") == before)
    #expect(mounter.calls == ["mount volume"])
    try await node.unpublish(at: "a")
  }

  @Test("a repeat hands new secrets to the worker")
  func refreshesSecrets() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let key = WorkerKey(volumeID: "volume")
    try await node.publish(node.request(at: "a", secrets: ["s3a.secretKey": "old"]))
    try await node.publish(node.request(at: "a", secrets: ["s3a.secretKey": "new"]))
    #expect(mounter.secrets(of: key)?.values == ["s3a.secretKey": "new"])
    try await node.unpublish(at: "a")
  }

  @Test("a repeat that asks for something else is ALREADY_EXISTS and leaves the mount alone")
  func incompatibleRepeat() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    let before = try node.mounts(at: "a")
    let requests = [
      node.request(at: "a", readOnly: true), node.request("other", at: "a"),
      node.request(at: "a", mode: .singleNodeWriter),
      node.request(at: "a", group: "1000"), node.request(at: "a", context: ["uid": "7"]),
      node.request(at: "a", flags: ["noexec"]),
    ]
    for request in requests {
      let error = await #expect(throws: CSIError.self) { try await node.publish(request) }
      #expect(error?.code == .alreadyExists)
    }
    #expect(try node.mounts(at: "a") == before)
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("read-only is in force on the bind, and the worker is read-only while every target is")
  func readOnly() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a", readOnly: true))
    #expect(try node.mounts(at: "a").first?.flags.contains(.readOnly) == true)
    #expect(mounter.statuses.first?.request.options.readOnly == true)
    try await node.publish(node.request(at: "b"))
    #expect(try node.mounts(at: "a").first?.flags.contains(.readOnly) == true)
    #expect(try node.mounts(at: "b").first?.flags.contains(.readOnly) == false)
    #expect(mounter.statuses.first?.request.options.readOnly == false)
    try await node.unpublish(at: "b")
    #expect(mounter.statuses.first?.request.options.readOnly == true)
    try await node.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("noexec among the mount flags is in force on the bind")
  func noExec() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a", flags: ["noexec"]))
    #expect(try node.mounts(at: "a").first?.flags.contains(.noExecute) == true)
    try await node.unpublish(at: "a")
  }

  @Test("ten targets of one volume at once: all succeed, with one worker")
  func tenTargets() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<10 { group.addTask { try await node.publish(node.request(at: "t\(index)")) } }
      try await group.waitForAll()
    }
    #expect(mounter.calls == ["mount volume"])
    for index in 0..<10 { #expect(try node.mounts(at: "t\(index)").count == 1) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<10 { group.addTask { try await node.unpublish(at: "t\(index)") } }
      try await group.waitForAll()
    }
    #expect(mounter.calls == ["mount volume", "unmount volume"])
    #expect(try node.isClean())
  }

  @Test("of two publishes of one target at once one succeeds and the other is ABORTED or finds it published")
  func twoAtOnce() async throws {
    let node = try await NodeFixture(mounter: mounter)
    for _ in 0..<20 {
      async let first = Result { () async throws in try await node.publish(node.request(at: "a")) }
      async let second = Result { () async throws in try await node.publish(node.request(at: "a")) }
      let outcomes = await [first, second]
      let failures = outcomes.compactMap { result -> CSIError? in
        if case .failure(let error) = result { return error as? CSIError }
        return nil
      }
      #expect(failures.count <= 1)
      #expect(failures.allSatisfy { $0.code == .aborted })
      #expect(try node.mounts(at: "a").count == 1)
      try await node.unpublish(at: "a")
    }
    #expect(try node.isClean())
  }

  @Test("a second target of a volume for one pod is FAILED_PRECONDITION and makes nothing")
  func singlePod() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a", mode: .singleNodeSingleWriter))
    let error = await #expect(throws: CSIError.self) {
      try await node.publish(node.request(at: "b", mode: .singleNodeSingleWriter))
    }
    #expect(error?.code == .failedPrecondition)
    #expect(!node.exists("b"))
    try await node.publish(node.request(at: "a", mode: .singleNodeSingleWriter))
    try await node.unpublish(at: "a")
    try await node.publish(node.request(at: "b", mode: .singleNodeSingleWriter))
    try await node.unpublish(at: "b")
    #expect(try node.isClean())
  }

  @Test("mount groups have workers of their own")
  func mountGroups() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a", group: "1000"))
    try await node.publish(node.request(at: "b", group: "2000"))
    try await node.publish(node.request(at: "c"))
    #expect(Set(mounter.statuses.map(\.request.options.mountGroup)) == [1000, 2000, nil])
    for name in ["a", "b", "c"] { try await node.unpublish(at: name) }
    #expect(try node.isClean())
  }

  @Test("one volume more than --max-volumes is RESOURCE_EXHAUSTED")
  func maximumVolumes() async throws {
    let node = try await NodeFixture(mounter: mounter, maximumVolumes: 1)
    try await node.publish(node.request("one", at: "a"))
    try await node.publish(node.request("one", at: "b"))
    let error = await #expect(throws: CSIError.self) { try await node.publish(node.request("two", at: "c")) }
    #expect(error?.code == .resourceExhausted)
    #expect(!node.exists("c"))
    for name in ["a", "b"] { try await node.unpublish("one", at: name) }
    #expect(try node.isClean())
  }

  @Test("what a mounter's failure left of a publish is nothing, and the error is the mounter's")
  func mounterFails() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let cases: [(MounterError, StatusCode)] = [
      (.underFileSystemAbsent(path: "/data"), .failedPrecondition), (.noFileRoots(path: "/data"), .permissionDenied),
      (.unreachable(socket: "/s", reason: "gone"), .unavailable), (.deadline(step: "starting"), .deadlineExceeded),
      (.workerFailed(reason: "exit 1", output: []), .internal), (.system(.noSpace, step: "mkdir"), .resourceExhausted),
    ]
    for (fault, code) in cases {
      mounter.setFaults(.init(ensureMounted: fault))
      let error = await #expect(throws: CSIError.self) { try await node.publish(node.request(at: "a")) }
      #expect(error?.code == code)
      #expect(try node.isClean())
    }
  }

  @Test("a failed publish leaves a directory that was there before, and leaves it writable")
  func failureKeepsForeignDirectory() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try node.folder.makeDirectory("kubelet/a")
    mounter.setFaults(.init(ensureMounted: .workerFailed(reason: "exit 1", output: [])))
    await #expect(throws: CSIError.self) { try await node.publish(node.request(at: "a")) }
    #expect(node.exists("a"))
    try node.folder.write("x", to: "kubelet/a/file")
    #expect(try node.mounts().isEmpty)
    #expect(try node.records().isEmpty)
  }

  @Test("while the mounter is away a publish is UNAVAILABLE, a repeat of what stands succeeds, and the plugin is ready")
  func mounterAway() async throws {
    let node = try await NodeFixture(mounter: mounter)
    try await node.publish(node.request(at: "a"))
    mounter.setFaults(.init(all: .unreachable(socket: "/s", reason: "gone")))
    let error = await #expect(throws: CSIError.self) { try await node.publish(node.request(at: "b")) }
    #expect(error?.code == .unavailable)
    #expect(!node.exists("b"))
    try await node.publish(node.request(at: "a"))
    try await node.service.checkReady(by: .after(.patient))
    let restarted = try await node.restarted()
    try await restarted.service.checkReady(by: .after(.patient))
    mounter.setFaults(.init())
    try await restarted.unpublish(at: "a")
    #expect(try node.isClean())
  }

  @Test("the registry knows which node uses a volume, until its last target is gone")
  func registry() async throws {
    let registry = InMemoryVolumeRegistry()
    let node = try await NodeFixture(mounter: mounter, registry: registry)
    try await node.publish(node.request(at: "a"))
    try await node.publish(node.request(at: "b"))
    #expect(try await registry.publications(of: "volume").map(\.nodeID) == ["node"])
    #expect(node.service.publication(of: "volume")?.condition.abnormal == false)
    try await node.unpublish(at: "a")
    #expect(try await registry.publications(of: "volume").count == 1)
    try await node.unpublish(at: "b")
    #expect(try await registry.publications(of: "volume").isEmpty)
    #expect(node.service.publication(of: "volume") == nil)
  }
}

extension Result where Failure == any Error {
  /// The outcome of an asynchronous call.
  init(_ body: () async throws -> Success) async {
    do { self = .success(try await body()) } catch { self = .failure(error) }
  }
}
