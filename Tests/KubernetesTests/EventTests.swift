import FoundationEssentials
import Kubernetes
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@Suite("Events that people read")
struct EventTests {
  /// An event as the server has it.
  struct Stored: KubernetesObject {
    static let resource = APIResource(
      group: "events.k8s.io", version: "v1", kind: "Event", plural: "events", isNamespaced: true)
    struct Series: Codable { var count: Int }
    var metadata: ObjectMetadata
    var eventTime: String?
    var reportingController: String?
    var reportingInstance: String?
    var action: String?
    var reason: String?
    var regarding: ObjectReference?
    var note: String?
    var type: String?
    var series: Series?
  }

  let server: KubernetesServer
  let client: KubernetesClient
  let failures = FailureList()

  final class FailureList: Sendable {
    private let all = Mutex<[KubernetesError]>([])
    var kinds: [KubernetesError.Kind] { all.withLock { $0.map(\.kind) } }
    func add(_ error: KubernetesError) { all.withLock { $0.append(error) } }
  }

  init() throws {
    server = try KubernetesServer()
    client = try KubernetesClient(server.url, policy: .endless(attempts: 2))
  }

  private func recorder(_ policy: EventPolicy = EventPolicy()) -> EventRecorder {
    let failures = failures
    return EventRecorder(
      client, controller: "csi.alluxio.com/controller", instance: "alluxio-csi-controller-0", policy: policy
    ) { failures.add($0) }
  }

  private func event(_ note: String, about name: String = "claim", namespace: String? = "n") -> ObjectEvent {
    ObjectEvent(
      regarding: ObjectReference(
        apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: namespace, name: name, uid: "u-\(name)"),
      severity: .warning, reason: "ProvisioningFailed", action: "Provision", note: note)
  }

  /// Sends all of them.
  private func send(_ events: [ObjectEvent], policy: EventPolicy = EventPolicy()) async {
    let recorder = recorder(policy)
    for event in events { recorder.record(event) }
    recorder.finish()
    await recorder.run()
  }

  private func stored() async throws -> [Stored] { try await client.list(Stored.self).items }

  @Test("an event has all that the API asks for, and stands beside what it is about")
  func one() async throws {
    await send([event("the bucket is not there: make it")])
    let stored = try #require(try await stored().first)
    #expect(failures.kinds == [])
    #expect(stored.metadata.name.hasPrefix("claim.") && stored.metadata.namespace == "n")
    #expect(stored.reason == "ProvisioningFailed" && stored.action == "Provision" && stored.type == "Warning")
    #expect(stored.note == "the bucket is not there: make it")
    #expect(stored.regarding?.uid == "u-claim" && stored.regarding?.kind == "PersistentVolumeClaim")
    #expect(stored.reportingController == "csi.alluxio.com/controller")
    #expect(stored.reportingInstance == "alluxio-csi-controller-0")
  }

  @Test("events about objects in no namespace go to the default one")
  func clusterWide() async throws {
    await send([event("x", namespace: nil)])
    #expect(try await stored().map(\.metadata.namespace) == ["default"])
  }

  @Test("one that repeats is one event with a count")
  func repeated() async throws {
    await send(Array(repeating: event("same"), count: 5), policy: EventPolicy(countInterval: .zero))
    let stored = try await stored()
    #expect(failures.kinds == [])
    #expect(stored.count == 1 && stored.first?.series?.count == 5)
    #expect(try await server.verbs().prefix(5) == ["create", "patch", "patch", "patch", "patch"])
  }

  @Test("one that the server has forgotten meanwhile is made anew")
  func forgotten() async throws {
    let recorder = recorder()
    let task = Task { await recorder.run() }
    recorder.record(event("same"))
    while try await stored().isEmpty {}
    let name = try #require(try await stored().first).metadata.name
    try await client.delete(Stored.self, name: name, namespace: "n")
    recorder.record(event("same"))
    recorder.finish()
    await task.value
    #expect(failures.kinds == [])
    let left = try await stored()
    #expect(left.count == 1 && left.first?.metadata.name != name)
  }

  @Test("a storm about one object is a bounded number of calls")
  func storm() async throws {
    await send((0..<200).map { event("attempt \($0)") }, policy: EventPolicy(burst: 5, refill: .seconds(86_400)))
    #expect(try await server.calls().count == 5)
  }

  @Test("long texts are cut at what the API takes, between characters")
  func long() async throws {
    await send([event(String(repeating: "ä", count: 1000), about: String(repeating: "v", count: 253))])
    #expect(failures.kinds == [])
    let stored = try #require(try await stored().first)
    #expect(stored.note == String(repeating: "ä", count: 512))
    #expect(stored.metadata.name.utf8.count < 253)
  }

  @Test("a server that refuses events is told to the owner, and the next events are tried")
  func refused() async throws {
    try await server.answer([.init(403, reason: "Forbidden"), .init(500)])
    await send([event("a"), event("b"), event("c")])
    #expect(failures.kinds == [.forbidden, .unavailable])
    #expect(try await stored().map(\.note) == ["c"])
  }

  @Test("more events than wait for a server are dropped, and nobody who records one waits")
  func full() async throws {
    await send((0..<1000).map { event("x", about: "v\($0)") })
    #expect(try await stored().count == 256)
  }
}
