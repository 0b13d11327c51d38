import GRPC
import Logging
import Mounter
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

@testable import CSIDriver
@testable import Kubernetes

/// The node service with a mounter that says what the test wants, and volumes that were made for claims.
@Suite("Events of claims", .serialized, .requiresFuse, .timeLimit(.minutes(5)))
struct ClaimEventTests {
  let cluster: EventServer
  let mounter = HollowMounter()

  static let uid = "0f3c6a5e-1b2c-4d5e-8f90-a1b2c3d4e5f6"

  init() throws { cluster = try EventServer() }

  /// Of a volume that was made for a claim, in a publish for a pod.
  static func context(_ pod: String, claim: String = "data", uid: String = uid) -> [String: String] {
    EventServer.context(pod).merging([
      "csi.storage.k8s.io/pvc/name": claim, "csi.storage.k8s.io/pvc/namespace": "team",
      "csi.storage.k8s.io/pv/name": "alluxio-\(uid)",
    ]) { $1 }
  }

  private func events(_ policy: EventPolicy = EventPolicy()) throws -> VolumeEvents {
    VolumeEvents(
      try .toServer(cluster.server), driver: "alluxio", nodeID: "node-7", policy: policy,
      logger: Logger(label: "events"))
  }

  private func report(_ problem: String, of volume: String, revision: UInt64) throws {
    var status = try #require(mounter.statuses.first { $0.request.key.volumeID == volume })
    (status.credentialProblem, status.revision) = (problem, revision)
    mounter.report(status)
  }

  @Test("a claim is told once what each of its pods is told, and on which node; the claim of another volume is not")
  func outOfMemory() async throws {
    let node = try await NodeFixture(mounter: mounter, events: try events())
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    for name in ["a", "b"] { try await node.publish(node.request(at: name, context: Self.context(name))) }
    let other = Self.context("c", claim: "other", uid: "11111111-1b2c-4d5e-8f90-a1b2c3d4e5f6")
    try await node.publish(node.request("other", at: "c", context: other))
    var status = try #require(mounter.statuses.first { $0.request.key.volumeID == "volume" })
    status.history.note(WorkerDeath(exit: .outOfMemory(limitBytes: 64 << 20), pid: 1, moment: 1))
    (status.state, status.revision) = (.interrupted(reason: "r"), 1)
    mounter.report(status)
    status.history.notePause(12)
    (status.state, status.revision) = (.ready, 2)
    mounter.report(status)
    for pod in ["a", "b"] { _ = try await cluster.reasons("WorkerOutOfMemory", "WorkerRecovered", of: pod) }
    let told = try await cluster.events().filter { $0.regarding?.kind == "PersistentVolumeClaim" }
    #expect(Set(told.map(\.reason)) == ["WorkerOutOfMemory", "WorkerRecovered"] && told.count == 2)
    let claim = ObjectReference(
      apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: "team", name: "data", uid: Self.uid)
    #expect(told.allSatisfy { $0.regarding == claim && $0.metadata.namespace == "team" })
    let first = try #require(told.first { $0.reason == "WorkerOutOfMemory" })
    #expect(first.type == "Warning" && first.reportingInstance == "node-7")
    #expect(
      first.note?.hasPrefix("volume volume on node node-7: the worker was killed: out of memory") == true, "\(first)")
    for (volume, name) in [("volume", "a"), ("volume", "b"), ("other", "c")] {
      try await node.unpublish(volume, at: name)
    }
    #expect(try node.isClean())
  }

  @Test("what is lost with a mount is told to the claim by the next plugin, which knows it from its records")
  func restartNeeded() async throws {
    let node = try await NodeFixture(mounter: mounter)
    let secrets = ["s3a.accessKeyId": "id", "s3a.secretKey": "canary-secret"]
    let context = [
      "path": "s3://bucket", "alluxio.underfs.s3.endpoint": "http://127.0.0.1:1", "alluxio.underfs.s3.region": "r",
    ].merging(Self.context("a")) { own, _ in own }
    try await node.publish(node.request(at: "a", secrets: secrets, context: context))
    mounter.lose(WorkerKey(volumeID: "volume"))
    let next = try await node.restarted(events: try events())
    let follower = Task { await next.service.followMounter() }
    defer { follower.cancel() }
    await next.service.recoverPublished()
    _ = try await cluster.reasons("RestartNeeded", of: "a")
    try await next.publish(next.request(at: "a", secrets: secrets, context: context))
    _ = try await cluster.reasons("MountRecovered", of: "a")
    let told = try await cluster.events().filter { $0.regarding?.uid == Self.uid }
    #expect(Set(told.map(\.reason)) == ["RestartNeeded", "MountRecovered"])
    #expect(told.allSatisfy { $0.note?.contains("canary") == false })
    try await next.unpublish(at: "a")
    #expect(try next.isClean())
  }

  @Test("a claim whose volume has much to tell is bounded, and the pods of another volume are told all the same")
  func bounded() async throws {
    let node = try await NodeFixture(mounter: mounter, events: try events(EventPolicy(burst: 3)))
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    try await node.publish(node.request(at: "a", context: Self.context("a")))
    try await node.publish(node.request("other", at: "c", context: EventServer.context("c")))
    for round in 1...10 { try report("problem \(round)", of: "volume", revision: UInt64(round)) }
    try report("problem", of: "other", revision: 1)
    _ = try await cluster.reasons("CredentialsRefused", of: "c")
    let events = try await cluster.events()
    #expect(events.filter { $0.regarding?.uid == Self.uid }.count == 3)
    #expect(events.filter { $0.regarding?.kind == "PersistentVolumeClaim" }.count == 3)
    try await node.unpublish("other", at: "c")
    try await node.unpublish(at: "a")
  }

  @Test("an inline volume that calls itself a claim's is not believed, and its pod is told all the same")
  func inline() async throws {
    let node = try await NodeFixture(mounter: mounter, events: try events())
    let follower = Task { await node.service.followMounter() }
    defer { follower.cancel() }
    let context = Self.context("a").merging([
      "csi.storage.k8s.io/ephemeral": "true", "path": "file://\(node.folder.appending("inline"))",
    ]) { $1 }
    try await node.publish(node.request(at: "a", context: context))
    try report("problem", of: "volume", revision: 1)
    _ = try await cluster.reasons("CredentialsRefused", of: "a")
    #expect(try await cluster.events().allSatisfy { $0.regarding?.kind == "Pod" })
    try await node.unpublish(at: "a")
  }

  @Test("a claim in another namespace than the pod's, and one that is not named, are told nothing")
  func unknown() {
    let pod = PodReference(name: "a", namespace: "team", uid: "u")
    let context = Self.context("a")
    #expect(
      ClaimReference(volumeContext: context, pod: pod)
        == ClaimReference(name: "data", namespace: "team", uid: Self.uid))
    #expect(ClaimReference(volumeContext: context, pod: nil) == nil)
    #expect(ClaimReference(volumeContext: EventServer.context("a"), pod: pod) == nil)
    for (key, value) in [
      ("pvc/name", ""), ("pvc/name", String(repeating: "x", count: 254)), ("pvc/namespace", "kube-system"),
      ("pvc/namespace", ""),
    ] {
      let other = context.merging(["csi.storage.k8s.io/\(key)": value]) { $1 }
      #expect(ClaimReference(volumeContext: other, pod: pod) == nil, "\(key) \(value)")
    }
  }

  @Test(
    "a volume's name that does not end with a whole UUID says nothing of its claim's",
    arguments: [
      nil, "", "data", "alluxio-0f3c6a5e", "alluxio-0f3c6a5e1b2c4d5e8f90a1b2c3d4e5f6",
      "alluxio-0f3c6a5e-1b2c-4d5e-8f90-a1b2c3d4e5fg", "\u{e9}".padded(),
    ])
  func withoutUID(name: String?) {
    var context = Self.context("a")
    context["csi.storage.k8s.io/pv/name"] = name
    let claim = ClaimReference(volumeContext: context, pod: PodReference(name: "a", namespace: "team", uid: "u"))
    #expect(claim == ClaimReference(name: "data", namespace: "team", uid: nil))
  }
}

extension String {
  /// As long as a UUID, and not of ASCII.
  fileprivate func padded() -> String { "\(self)fffffff-ffff-ffff-ffff-ffffffffffff" }
}
