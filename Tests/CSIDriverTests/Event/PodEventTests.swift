import Logging
import Mounter
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

@testable import CSIDriver
@testable import Kubernetes

/// The node service with a mounter that says what the test wants.
@Suite("Events of pods", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct PodEventTests {
  let cluster: EventServer
  let mounter = HollowMounter()

  init() throws { cluster = try EventServer() }

  private func events(_ policy: EventPolicy = EventPolicy()) throws -> VolumeEvents {
    VolumeEvents(
      try .toServer(cluster.server), driver: "alluxio", nodeID: "node", policy: policy, logger: Logger(label: "events"))
  }

  private func publish(_ node: NodeFixture, _ names: [String]) async throws {
    for name in names { try await node.publish(node.request(at: name, context: EventServer.context(name))) }
  }

  private func unpublish(_ node: NodeFixture, _ names: [String]) async throws {
    for name in names { try await node.unpublish(at: name) }
    #expect(try node.isClean())
  }

  @Test("out of memory is told to the pods of the volume, with the limit and what helps, and to no others")
  func outOfMemory() async throws {
    let node = try await NodeFixture(mounter: mounter, events: try events())
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    try await publish(node, ["a", "b"])
    try await node.publish(node.request("other", at: "c", context: EventServer.context("c")))
    var status = try #require(mounter.statuses.first { $0.request.key.volumeID == "volume" })
    status.history.note(WorkerDeath(exit: .outOfMemory(limitBytes: 64 << 20), pid: 1, moment: 1))
    (status.state, status.revision) = (.interrupted(reason: "r"), 1)
    mounter.report(status)
    status.history.notePause(12)
    (status.state, status.revision) = (.ready, 2)
    mounter.report(status)
    for pod in ["a", "b"] {
      let told = try await cluster.reasons("WorkerOutOfMemory", "WorkerRecovered", of: pod)
      #expect(told[0].note?.contains("out of memory at 64 MiB; raise memoryLimit") == true)
      #expect(told[1].note?.hasSuffix("waited for at most 20 ms") == true)
    }
    #expect(try await cluster.events().allSatisfy { $0.regarding?.uid != "uid-c" })
    try await node.unpublish("other", at: "c")
    try await unpublish(node, ["a", "b"])
  }

  @Test("a volume whose secrets are lost with its mount: its pods read that they wait, also of the next plugin")
  func restartNeeded() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let secrets = ["s3a.accessKeyId": "id", "s3a.secretKey": "canary-secret"]
    let context = [
      "path": "s3://bucket", "alluxio.underfs.s3.endpoint": "http://127.0.0.1:1", "alluxio.underfs.s3.region": "r",
    ].merging(EventServer.context("a")) { own, _ in own }
    try await node.publish(node.request(at: "a", secrets: secrets, context: context))
    mounter.lose(WorkerKey(volumeID: "volume"))
    let next = try await node.restarted(events: try events())
    let follower = Task { await next.service.followMounter() }
    defer { follower.cancel() }
    await next.service.recoverPublished()
    let told = try await cluster.reasons("RestartNeeded", of: "a")
    #expect(told.first?.note?.contains("restart needed: the volume's mount was lost, and its secrets") == true)
    try await next.publish(next.request(at: "a", secrets: secrets, context: context))
    _ = try await cluster.reasons("MountRecovered", of: "a")
    #expect(try await cluster.events().allSatisfy { $0.note?.contains("canary") == false })
    try await unpublish(next, ["a"])
  }

  @Test("a volume that has much to tell is bounded, and another one is told all the same")
  func bounded() async throws {
    var policy = EventPolicy(burst: 3)
    (policy.subjectBurst, policy.subjectRefill) = (4, .seconds(3600))
    let node = try await NodeFixture(mounter: mounter, events: try events(policy))
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    try await publish(node, ["a", "b", "d"])
    try await node.publish(node.request("other", at: "c", context: EventServer.context("c")))
    func report(_ volume: String, _ problem: String, revision: UInt64) throws {
      var status = try #require(mounter.statuses.first { $0.request.key.volumeID == volume })
      (status.credentialProblem, status.revision) = (problem, revision)
      mounter.report(status)
    }
    for round in 1...10 { try report("volume", "problem \(round)", revision: UInt64(round)) }
    try report("other", "problem", revision: 1)
    _ = try await cluster.reasons("CredentialsRefused", of: "c")
    let events = try await cluster.events()
    #expect(events.filter { $0.note?.contains("volume volume: ") == true }.count == 4)
    try await node.unpublish("other", at: "c")
    try await unpublish(node, ["a", "b", "d"])
  }

  @Test("pods of which the kubelet says nothing, or not all, are told nothing")
  func unknownPods() {
    #expect(PodReference(volumeContext: [:]) == nil)
    for key in ["name", "namespace", "uid"] {
      for value in ["", String(repeating: "x", count: 254)] {
        let context = EventServer.context("a").merging(["csi.storage.k8s.io/pod.\(key)": value]) { $1 }
        #expect(PodReference(volumeContext: context) == nil)
      }
    }
    #expect(
      PodReference(volumeContext: EventServer.context("a"))
        == PodReference(name: "a", namespace: "team", uid: "uid-a"))
  }
}
