import CSIDriver
import Kubernetes
import LinuxSystem
import Logging
import ObjectStoreServers
import TestSupport
import Testing
import VolumeModel

/// The registries that the conformance suite runs on.
enum RegistryKind: String, CaseIterable, Sendable {
  case inMemory, directory, kubernetes

  func make(_ folder: TemporaryDirectory) throws -> any VolumeRegistry {
    switch self {
    case .inMemory: InMemoryVolumeRegistry()
    case .directory: try DirectoryVolumeRegistry(path: folder.appending("registry"), logger: .silent)
    case .kubernetes: try KubernetesVolumeRegistry(.toServer(KubernetesServer()))
    }
  }
}

extension Logger {
  /// For services whose log a test does not read.
  static var silent: Logger {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
  }
}

extension VolumeRecord {
  static func test(_ id: String, state: State = .ready, bytes: Int64 = 0) -> VolumeRecord {
    VolumeRecord(
      id: id, name: "name of \(id)", state: state, capacityBytes: bytes, parameters: ["path": "file:///data/ü"],
      context: ["path": "file:///data/ü"])
  }
}

extension NodePublication {
  static func test(_ node: String, abnormal: Bool = false) -> NodePublication {
    NodePublication(
      nodeID: node, condition: VolumeCondition(abnormal: abnormal, message: abnormal ? "broken" : "usable"))
  }
}

@Suite("Conformance of volume registries")
struct VolumeRegistryTests {
  let folder: TemporaryDirectory
  init() throws { folder = try TemporaryDirectory("registry") }

  @Test("what was inserted is read back whole", arguments: RegistryKind.allCases)
  func insert(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    var record = VolumeRecord.test("a", state: .creating, bytes: .max)
    record.directory = "team-claim-a"
    try await registry.insert(record)
    #expect(try await registry.volume(id: "a") == record)
    #expect(try await registry.volume(id: "b") == nil)
    try await registry.check()
  }

  @Test(
    "volumes and nodes that differ only in the spelling of an accented letter are kept apart",
    arguments: RegistryKind.allCases)
  func normalisation(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    let composed = "\u{E9}"
    let decomposed = "e\u{301}"
    try await registry.publish(.test(composed), of: composed)
    try await registry.publish(.test(decomposed, abnormal: true), of: composed)
    try await registry.publish(.test("node"), of: decomposed)
    let nodes = try await registry.publications(of: composed)
    #expect(nodes.map { ByteKey($0.nodeID) } == [decomposed, composed].map(ByteKey.init))
    #expect(nodes.map(\.condition.abnormal) == [true, false])
    try await registry.unpublish(volumeID: decomposed, from: "node")
    #expect(try await registry.publications(of: composed).count == 2)
    #expect(try await registry.publications(of: decomposed).isEmpty)
  }

  @Test("inserting twice is refused and changes nothing", arguments: RegistryKind.allCases)
  func insertTwice(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    try await registry.insert(.test("a", bytes: 1))
    await #expect(throws: RegistryError.exists(volume: "a")) { try await registry.insert(.test("a", bytes: 2)) }
    #expect(try await registry.volume(id: "a")?.capacityBytes == 1)
  }

  @Test("an update replaces, and one of what is not there is refused", arguments: RegistryKind.allCases)
  func update(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    await #expect(throws: RegistryError.absent(volume: "a")) { try await registry.update(.test("a")) }
    try await registry.insert(.test("a", bytes: 1))
    try await registry.update(.test("a", bytes: 2))
    #expect(try await registry.volume(id: "a")?.capacityBytes == 2)
  }

  @Test("removing is repeatable", arguments: RegistryKind.allCases)
  func remove(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    try await registry.insert(.test("a"))
    try await registry.remove(id: "a")
    try await registry.remove(id: "a")
    #expect(try await registry.volume(id: "a") == nil)
    try await registry.insert(.test("a"))
  }

  @Test("a listing goes on after any id, also one that is gone", arguments: RegistryKind.allCases)
  func list(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    for id in ["c", "a", "e", "b", "d"] { try await registry.insert(.test(id)) }
    #expect(try await registry.volumes(after: nil, limit: 10).map(\.id) == ["a", "b", "c", "d", "e"])
    #expect(try await registry.volumes(after: "b", limit: 2).map(\.id) == ["c", "d"])
    try await registry.remove(id: "b")
    #expect(try await registry.volumes(after: "b", limit: 2).map(\.id) == ["c", "d"])
    #expect(try await registry.volumes(after: "e", limit: 2) == [])
  }

  @Test("a published volume is not deleted, an unpublished one is", arguments: RegistryKind.allCases)
  func deletePublished(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    try await registry.insert(.test("a"))
    for node in ["two", "one", "two"] { try await registry.publish(.test(node), of: "a") }
    await #expect(throws: RegistryError.published(volume: "a", nodes: ["one", "two"])) {
      try await registry.beginDeletion(id: "a")
    }
    #expect(try await registry.volume(id: "a")?.state == .ready)
    for node in ["one", "two", "two"] { try await registry.unpublish(volumeID: "a", from: node) }
    #expect(try await registry.beginDeletion(id: "a").state == .deleting)
    #expect(try await registry.beginDeletion(id: "a").state == .deleting)
    #expect(try await registry.volume(id: "a")?.state == .deleting)
  }

  @Test("a volume that is being deleted is not published any more", arguments: RegistryKind.allCases)
  func publishDeleted(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    try await registry.insert(.test("a"))
    _ = try await registry.beginDeletion(id: "a")
    await #expect(throws: RegistryError.deleting(volume: "a")) { try await registry.publish(.test("n"), of: "a") }
    await #expect(throws: RegistryError.absent(volume: "b")) { try await registry.beginDeletion(id: "b") }
  }

  @Test("volumes that the registry does not know are published by any id", arguments: RegistryKind.allCases)
  func publishUnknown(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    for id in ["../../x", "Static/Volume", "csi-" + String(repeating: "f", count: 64), "ü"] {
      try await registry.publish(.test("node/../x", abnormal: true), of: id)
      #expect(try await registry.publications(of: id) == [.test("node/../x", abnormal: true)])
      #expect(try await registry.volume(id: id) == nil)
      try await registry.unpublish(volumeID: id, from: "node/../x")
      #expect(try await registry.publications(of: id) == [])
    }
  }

  @Test("of many concurrent inserts of one id exactly one succeeds", arguments: RegistryKind.allCases)
  func concurrentInserts(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    let successes = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<40 {
        group.addTask { (try? await registry.insert(.test("id-\(index % 4)", bytes: Int64(index)))) != nil }
      }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
    #expect(successes == 4)
    #expect(try await registry.volumes(after: nil, limit: 100).count == 4)
  }

  @Test("publishing and deleting at once never both succeed", arguments: RegistryKind.allCases)
  func publishBesideDelete(kind: RegistryKind) async throws {
    let registry = try kind.make(folder)
    for round in 0..<20 {
      let id = "v\(round)"
      try await registry.insert(.test(id))
      async let published = (try? await registry.publish(.test("n"), of: id)) != nil
      async let deleted = (try? await registry.beginDeletion(id: id)) != nil
      let outcome = await (published, deleted)
      #expect(outcome.0 != outcome.1)
    }
  }
}
