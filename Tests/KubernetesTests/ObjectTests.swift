import HTTP
import Kubernetes
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

@Suite("Objects of the API, one at a time")
struct ObjectTests {
  enum Service: CaseIterable { case kmock, strict }

  /// Both servers, and one way to use them.
  private func start(_ service: Service) throws -> (server: AnyObject, client: KubernetesClient) {
    switch service {
    case .kmock:
      let server = try ServerProcess.kmock(["v1/configmaps", "example.com/v1/widgets"])
      return (server, try KubernetesClient(server.url))
    case .strict:
      let server = try KubernetesServer()
      return (server, try KubernetesClient(server.url))
    }
  }

  @Test("an object is made, read, changed and removed", arguments: Service.allCases)
  func life(service: Service) async throws {
    let (server, client) = try start(service)
    let made = try await client.create(ConfigMap("a", namespace: "place", ["x": "1", "y": "2"]))
    #expect(made.data == ["x": "1", "y": "2"])
    let patch = DataPatch(["x": "3", "y": nil, "z": "ä\n\"\u{1F600}"])
    let changed = try await client.patch(ConfigMap.self, name: "a", namespace: "place", with: patch)
    #expect(changed.data == ["x": "3", "z": "ä\n\"\u{1F600}"])
    let read = try await client.get(ConfigMap.self, name: "a", namespace: "place")
    #expect(read == changed)
    #expect(
      await failure { () async throws(KubernetesError) in
        try await client.get(ConfigMap.self, name: "a", namespace: "elsewhere")
      }?.kind == .absent)
    try await client.delete(ConfigMap.self, name: "a", namespace: "place")
    let gone = await failure { () async throws(KubernetesError) in
      try await client.get(ConfigMap.self, name: "a", namespace: "place")
    }
    #expect(gone?.kind == .absent)
    #expect(gone?.message.hasPrefix("get configmaps: 404") == true)
    withExtendedLifetime(server) {}
  }

  @Test("an object in no namespace, whose status is changed apart from the rest", arguments: Service.allCases)
  func clusterWide(service: Service) async throws {
    let (server, client) = try start(service)
    _ = try await client.create(Widget("v", size: 5))
    struct Patch: Encodable {
      var status = Widget.Status(phase: "Ready")
    }
    let changed = try await client.patch(Widget.self, name: "v", subresource: "status", with: Patch())
    #expect(changed.status?.phase == "Ready" && changed.spec?.size == 5)
    #expect(try await client.list(Widget.self).items.map(\.metadata.name) == ["v"])
    withExtendedLifetime(server) {}
  }

  @Test("a second object of the same name", arguments: Service.allCases)
  func exists(service: Service) async throws {
    let (server, client) = try start(service)
    _ = try await client.create(ConfigMap("a"))
    let error = await failure { () async throws(KubernetesError) in try await client.create(ConfigMap("a")) }
    #expect(error?.kind == .exists)
    #expect(error?.mayHaveHappened == false)
    withExtendedLifetime(server) {}
  }

  @Test("a kind that is not installed")
  func unknownKind() async throws {
    struct Stranger: KubernetesObject {
      static let resource = APIResource(
        group: "strange.org", version: "v1", kind: "Stranger", plural: "strangers", isNamespaced: true)
      var metadata: ObjectMetadata
    }
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    #expect(await failure { () async throws(KubernetesError) in try await client.list(Stranger.self) }?.kind == .absent)
  }

  @Test("the status is changed by its subresource alone, and the rest by the object alone")
  func statusAlone() async throws {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    _ = try await client.create(Widget("v", size: 1))
    struct Patch: Encodable {
      var spec = Widget.Spec(size: 7)
      var status = Widget.Status(phase: "Ready")
    }
    let first = try await client.patch(Widget.self, name: "v", subresource: "status", with: Patch())
    #expect(first.spec?.size == 1 && first.status?.phase == "Ready" && first.metadata.generation == 1)
    struct Other: Encodable {
      var spec = Widget.Spec(size: 7)
      var status = Widget.Status(phase: "Lost")
    }
    let second = try await client.patch(Widget.self, name: "v", with: Other())
    #expect(second.spec?.size == 7 && second.status?.phase == "Ready" && second.metadata.generation == 2)
  }

  @Test("a patch for a version that is no longer the object's is a conflict")
  func conflict() async throws {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    let first = try await client.create(ConfigMap("a"))
    let version = try #require(first.metadata.resourceVersion)
    _ = try await client.patch(ConfigMap.self, name: "a", with: DataPatch(["x": "1"], version: version))
    let error = await failure { () async throws(KubernetesError) in
      try await client.patch(ConfigMap.self, name: "a", with: DataPatch(["x": "2"], version: version))
    }
    #expect(error?.kind == .conflict)
    #expect(try await client.get(ConfigMap.self, name: "a").data == ["x": "1"])
  }

  @Test("writers of one object lose none of their changes")
  func concurrentChanges() async throws {
    let server = try KubernetesServer()
    _ = try await KubernetesClient(server.url).create(ConfigMap("a", ["count": "0"]))
    let (writers, changes) = (4, 10)
    try await withThrowingTaskGroup { group in
      for _ in 0..<writers {
        group.addTask {
          let client = try KubernetesClient(server.url, policy: .endless(attempts: 1000))
          for _ in 0..<changes {
            _ = try await client.change(ConfigMap.self, name: "a") { object throws(KubernetesError) in
              DataPatch(["count": "\((Int(object.data?["count"] ?? "") ?? 0) + 1)"])
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(
      try await KubernetesClient(server.url).get(ConfigMap.self, name: "a").data == ["count": "\(writers * changes)"])
  }

  @Test("a change that loses every time gives up with the conflict, and waits before each attempt")
  func endlessConflict() async throws {
    let server = try KubernetesServer()
    let waits = Waits()
    let client = try KubernetesClient(server.url, waits: waits, policy: .endless(attempts: 3))
    _ = try await client.create(ConfigMap("a"))
    try await server.answer([
      .init(409, reason: "Conflict", method: "PATCH"), .init(409, reason: "Conflict", method: "PATCH"),
    ])
    let changed = try await client.change(ConfigMap.self, name: "a") { _ throws(KubernetesError) in
      DataPatch(["x": "1"])
    }
    #expect(changed.data == ["x": "1"])
    #expect(waits.durations.count == 2)
    try await server.answer(Array(repeating: .init(409, reason: "Conflict", method: "PATCH"), count: 3))
    let error = await failure { () async throws(KubernetesError) in
      try await client.change(ConfigMap.self, name: "a") { _ throws(KubernetesError) in DataPatch(["x": "2"]) }
    }
    #expect(error?.kind == .conflict)
  }

  @Test("a change that finds nothing to do sends nothing")
  func noChange() async throws {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    _ = try await client.create(ConfigMap("a"))
    _ = try await client.change(ConfigMap.self, name: "a") { _ throws(KubernetesError) -> DataPatch? in nil }
    #expect(try await server.verbs() == ["create", "get"])
  }

  @Test("an object is removed as the version that was meant, and stays while a finalizer keeps it")
  func removal() async throws {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    let made = try await client.create(Widget("v", finalizers: ["csi.alluxio.com/published"]))
    let wrong = await failure { () async throws(KubernetesError) in
      try await client.delete(Widget.self, name: "v", version: "1")
    }
    #expect(wrong?.kind == .conflict)
    try await client.delete(Widget.self, name: "v", version: made.metadata.resourceVersion)
    #expect(try await client.get(Widget.self, name: "v").metadata.deletionTimestamp != nil)
    struct Patch: Encodable {
      struct Metadata: Encodable { var finalizers: [String] = [] }
      var metadata = Metadata()
    }
    _ = try await client.patch(Widget.self, name: "v", with: Patch())
    #expect(
      await failure { () async throws(KubernetesError) in try await client.get(Widget.self, name: "v") }?.kind
        == .absent)
  }

  @Test("what the client tells of its calls is what the server sees, by the names of rules")
  func recorded() async throws {
    let server = try KubernetesServer()
    let calls = Mutex<[APICall]>([])
    let client = try KubernetesClient(server.url) { call in calls.withLock { $0.append(call) } }
    _ = try await client.create(ConfigMap("a"))
    _ = try await client.change(ConfigMap.self, name: "a") { _ throws(KubernetesError) in DataPatch(["x": "1"]) }
    _ = try await client.create(Widget("v"))
    struct Patch: Encodable {
      var status = Widget.Status(phase: "Ready")
    }
    _ = try await client.patch(Widget.self, name: "v", subresource: "status", with: Patch())
    _ = try await client.list(Widget.self)
    try await client.delete(Widget.self, name: "v")
    let watching = Watching<ConfigMap>(client)
    try await server.opened(1)
    let seen = try await server.calls()
    let told = calls.withLock { $0 }
    #expect(told.map(\.verb.rawValue) == seen.map(\.verb))
    #expect(told.map(\.group) == seen.map(\.group) && told.map(\.plural) == seen.map(\.resource))
    #expect(told.map(\.subresource) == seen.map(\.subresource) && told.map(\.namespace) == seen.map(\.namespace))
    #expect(told.contains { $0.description == "patch widgets.example.com/status" })
    _ = await watching.end()
  }

  @Test("names and selectors that are no plain words reach the server as they are")
  func encoding() async throws {
    let server = try KubernetesServer()
    let client = try KubernetesClient(server.url)
    let labels = "a/b=c d,e!=ü&limit=0"
    _ = try await client.list(ConfigMap.self, ObjectSelection(namespace: "x", labels: labels))
    #expect(
      try await server.calls().last?.target
        == "/api/v1/namespaces/x/configmaps?labelSelector=a%2Fb%3Dc%20d%2Ce%21%3D%C3%BC%26limit%3D0&limit=500")
    _ = await failure { () async throws(KubernetesError) in try await client.get(ConfigMap.self, name: "../secrets/ä") }
    #expect(try await server.calls().last?.target == "/api/v1/namespaces/default/configmaps/..%2Fsecrets%2F%C3%A4")
  }
}
