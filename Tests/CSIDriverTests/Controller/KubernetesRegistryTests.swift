import Kubernetes
import ObjectStoreServers
import TestSupport
import Testing

@testable import CSIDriver

extension KubernetesClient {
  /// A client whose waits are short, on a machine that is busy with other tests.
  static func toServer(_ server: KubernetesServer) throws -> KubernetesClient {
    try KubernetesClient(
      ClusterAccess(server: server.url),
      policy: RetryPolicy(attempts: 20, firstWait: .milliseconds(2), patience: .seconds(600)))
  }
}

@Suite("The registry of a cluster")
struct KubernetesRegistryTests {
  let server: KubernetesServer
  let client: KubernetesClient
  let registry: KubernetesVolumeRegistry

  init() throws {
    server = try KubernetesServer()
    client = try .toServer(server)
    registry = KubernetesVolumeRegistry(client)
  }

  private func objects() async throws -> [AlluxioVolume] { try await client.list(AlluxioVolume.self).items }

  @Test("an update takes away what is no more in the record")
  func update() async throws {
    var record = VolumeRecord.test("a")
    record.directory = "team-claim-a"
    record.parameters["onDelete"] = "delete"
    record.context["memoryLimit"] = "1Gi"
    try await registry.insert(record)
    record.directory = nil
    record.parameters = ["path": "file:///other"]
    record.context = [:]
    record.state = .deleting
    try await registry.update(record)
    #expect(try await registry.volume(id: "a") == record)
  }

  @Test("two controllers that make one volume: one of them does")
  func twoInserts() async throws {
    let other = KubernetesVolumeRegistry(try .toServer(server))
    for round in 0..<10 {
      async let first = (try? await registry.insert(.test("v\(round)", bytes: 1))) != nil
      async let second = (try? await other.insert(.test("v\(round)", bytes: 2))) != nil
      let (isFirst, isSecond) = await (first, second)
      #expect(isFirst != isSecond)
      #expect(try await other.volume(id: "v\(round)")?.capacityBytes == (isFirst ? 1 : 2))
    }
  }

  @Test("two controllers, one that deletes and one that hears of a node: never both succeed")
  func publishBesideDelete() async throws {
    let other = KubernetesVolumeRegistry(try .toServer(server))
    for round in 0..<10 {
      let id = "v\(round)"
      try await registry.insert(.test(id))
      async let published = (try? await other.publish(.test("n"), of: id)) != nil
      async let deleted = (try? await registry.beginDeletion(id: id)) != nil
      let (isPublished, isDeleted) = await (published, deleted)
      #expect(isPublished != isDeleted)
    }
  }

  @Test("nodes that publish at once are all remembered, and counted")
  func manyNodes() async throws {
    try await registry.insert(.test("a"))
    await withTaskGroup { group in
      for number in 0..<12 {
        group.addTask { try? await registry.publish(.test("node-\(number)"), of: "a") }
      }
    }
    let status = try #require(try await objects().first?.status)
    #expect(status.nodeCount == 12 && status.nodes?.count == 12)
    #expect(try await registry.publications(of: "a").count == 12)
  }

  @Test("people see whether a volume is usable, where it is not, and since when")
  func conditions() async throws {
    try await registry.insert(.test("a"))
    try await registry.publish(.test("n1"), of: "a")
    let usable = try #require(try await objects().first?.status?.conditions?.first)
    #expect(usable.type == "Usable" && usable.status == "True" && usable.lastTransitionTime.hasSuffix("Z"))
    for node in ["n2", "n3", "n4", "n5"] { try await registry.publish(.test(node, abnormal: true), of: "a") }
    let broken = try #require(try await objects().first?.status?.conditions)
    #expect(broken.count == 1 && broken.first?.status == "False" && broken.first?.reason == "AbnormalOnNodes")
    #expect(broken.first?.message == "n2: broken; n3: broken; n4: broken; and 1 more nodes")
    for node in 1...5 { try await registry.unpublish(volumeID: "a", from: "n\(node)") }
    let status = try await objects().first?.status
    #expect(status?.conditions == [] && status?.nodeCount == 0)
  }

  @Test("a node that says the same again writes nothing")
  func sameAgain() async throws {
    try await registry.insert(.test("a"))
    try await registry.publish(.test("n"), of: "a")
    try await server.forget()
    try await registry.publish(.test("n"), of: "a")
    try await registry.update(.test("a"))
    #expect(try await server.verbs() == ["get", "get"])
  }

  @Test("a volume that the controller has not made is there for as long as a node uses it")
  func staticVolume() async throws {
    try await registry.publish(.test("n1"), of: "Static/Volume")
    try await registry.publish(.test("n2"), of: "Static/Volume")
    let object = try #require(try await objects().first)
    #expect(object.spec.volumeID == "Static/Volume" && object.metadata.name.hasPrefix("volume."))
    #expect(try await registry.volumes(after: nil, limit: 9) == [])
    try await registry.unpublish(volumeID: "Static/Volume", from: "n1")
    #expect(try await objects().count == 1)
    try await registry.unpublish(volumeID: "Static/Volume", from: "n2")
    #expect(try await objects().isEmpty)
  }

  @Test("a volume that is made under the id that a node uses already, and forgotten before the node leaves it")
  func adopted() async throws {
    try await registry.publish(.test("n"), of: "a")
    try await registry.insert(.test("a"))
    #expect(try await registry.publications(of: "a") == [.test("n")])
    try await registry.remove(id: "a")
    #expect(try await registry.volume(id: "a") == nil)
    #expect(try await registry.publications(of: "a") == [.test("n")])
    try await registry.unpublish(volumeID: "a", from: "n")
    #expect(try await objects().isEmpty)
  }

  @Test("ids that are no names of Kubernetes get a name that no other id has")
  func names() {
    for id in ["a", "pvc-1.b", String(repeating: "a", count: 63)] { #expect(AlluxioVolume.name(of: id) == id) }
    for id in ["a_b", "a..b", "a-.b", "a.-b", "A", "ü", "-", "a/b", String(repeating: "a", count: 64)] {
      let name = AlluxioVolume.name(of: id)
      #expect(name.hasPrefix("volume.") && name.utf8.count == 71)
      #expect(AlluxioVolume.name(of: name) != name)
    }
  }

  @Test("conflicts with others are overcome, also where every other write loses")
  func conflicts() async throws {
    try await registry.insert(.test("a"))
    try await server.answer(Array(repeating: .init(409, reason: "Conflict", method: "PATCH"), count: 3))
    try await registry.publish(.test("n"), of: "a")
    #expect(try await registry.publications(of: "a").count == 1)
  }

  @Test("a creation whose answer is lost is an error, and found by the next call")
  func lostAnswer() async throws {
    let proxy = try FaultProxy(before: server.process)
    let client = try KubernetesClient(ClusterAccess(server: proxy.url + server.path))
    let behind = KubernetesVolumeRegistry(client)
    try proxy.inject(.reset(after: nil).on(method: "POST"))
    let error = await #expect(throws: RegistryError.self) { try await behind.insert(.test("a", state: .creating)) }
    guard case .unavailable(let step, let cause) = error else { return #expect(Bool(false), "\(error as Any)") }
    #expect(step == "record volume" && cause.hasPrefix("create alluxiovolumes.csi.alluxio.com: "))
    #expect(try await behind.volume(id: "a")?.state == .creating)
  }

  @Test("a record of a later program is left alone, and said")
  func later() async throws {
    var record = VolumeRecord.test("a")
    record.version = VolumeRecord.currentVersion + 1
    _ = try await client.create(AlluxioVolume(id: "a", record: record))
    let error = await #expect(throws: RegistryError.self) { try await registry.volume(id: "a") }
    #expect("\(error as Any)".contains("use a newer one"))
  }

  @Test("a cluster without the definition, or without the rules, is not ready and says why")
  func notReady() async throws {
    try await registry.check()
    try await server.allow([.init(verbs: ["get"], group: "csi.alluxio.com", resources: ["alluxiovolumes"])])
    let error = await #expect(throws: RegistryError.self) { try await registry.check() }
    #expect("\(error as Any)".contains("cannot list resource"))
  }

  @Test("all that it asks of the API is what its rules in the chart allow, and nothing is missing")
  func rules() async throws {
    let rules: [KubernetesServer.Rule] = [
      .init(
        verbs: ["get", "list", "create", "patch", "delete"], group: "csi.alluxio.com", resources: ["alluxiovolumes"]),
      .init(verbs: ["patch"], group: "csi.alluxio.com", resources: ["alluxiovolumes/status"]),
    ]
    try await server.allow(rules)
    try await registry.check()
    try await registry.insert(.test("a", state: .creating))
    try await registry.update(.test("a"))
    try await registry.publish(.test("n"), of: "a")
    try await registry.unpublish(volumeID: "a", from: "n")
    _ = try await registry.beginDeletion(id: "a")
    try await registry.remove(id: "a")
    _ = try await registry.volumes(after: nil, limit: 5)
    let calls = try await server.calls()
    #expect(calls.allSatisfy { $0.status < 300 })
    let used = Set(calls.map { "\($0.verb) \($0.resource)\($0.subresource.map { "/\($0)" } ?? "")" })
    let allowed = rules.flatMap { rule in rule.verbs.flatMap { verb in rule.resources.map { "\(verb) \($0)" } } }
    #expect(used == Set(allowed))
  }
}
