import CSIDriver
import LinuxSystem
import Synchronization
import TestSupport
import VolumeModel

/// A controller over a memory registry and a real `file://` directory.
struct ControllerFixture {
  let folder: TemporaryDirectory
  let registry: any VolumeRegistry
  let published = PublishedHere()
  let service: ControllerService

  /// The UFS, the only file root.
  var data: String { folder.appending("data") }

  init(
    registry: any VolumeRegistry = InMemoryVolumeRegistry(), directories: (any ProvisioningDirectories)? = nil
  ) throws {
    folder = try TemporaryDirectory("controller")
    try folder.makeDirectory("data")
    try folder.makeDirectory("elsewhere")
    self.registry = registry
    service = ControllerService(
      registry: registry, published: published,
      directories: directories ?? LocalProvisioningDirectories(fileRoots: [folder.appending("data")]))
  }

  static let capability = VolumeCapability(accessType: .mount(.init()), accessMode: .multiNodeMultiWriter)
  static let metadata = ["csi.storage.k8s.io/pvc/name": "claim", "csi.storage.k8s.io/pvc/namespace": "team"]

  /// The context of a volume that was made with that metadata.
  static func context(_ own: [String: String]) -> [String: String] { own.merging(metadata) { $1 } }

  var deadline: Deadline { .after(.patient) }

  /// A request for a volume, shared unless the parameters say otherwise.
  func request(
    _ name: String, required: Int64 = 0, limit: Int64 = 0, parameters: [String: String] = [:],
    capabilities: [VolumeCapability] = [capability]
  ) -> CreateVolumeRequest {
    let all = ["path": "file://\(data)"].merging(Self.metadata) { $1 }.merging(parameters) { $1 }
    let range = required == 0 && limit == 0 ? nil : CapacityRange(required: required, limit: limit)
    return CreateVolumeRequest(name: name, capacity: range, capabilities: capabilities, parameters: all)
  }

  @discardableResult
  func create(_ name: String, required: Int64 = 0, parameters: [String: String] = [:]) async throws(CSIError) -> Volume
  {
    try await service.create(request(name, required: required, parameters: parameters), by: deadline)
  }

  func delete(_ id: String) async throws(CSIError) {
    try await service.delete(DeleteVolumeRequest(volumeID: id), by: deadline)
  }

  /// ControllerGetVolume.
  func volume(_ id: String) async throws(CSIError) -> VolumeStatus { try await service.volume(id: id, by: deadline) }

  func list(_ request: ListVolumesRequest) async throws(CSIError) -> VolumePage {
    try await service.list(request, by: deadline)
  }

  /// Parameters of a provisioned directory.
  static func directory(_ onDelete: String = "retain") -> [String: String] {
    ["provisioning": "directory", "onDelete": onDelete]
  }
}

/// What a node service of the same process would say.
final class PublishedHere: PublishedVolumes {
  private let volumes = Mutex<[String: NodePublication]>([:])

  func publication(of volumeID: String) -> NodePublication? { volumes.withLock { $0[volumeID] } }
  func set(_ publication: NodePublication?, of volumeID: String) { volumes.withLock { $0[volumeID] = publication } }
}

/// A registry whose changes fail when told to.
final class FaultyRegistry: VolumeRegistry {
  enum Operation: Hashable, Sendable { case insert, update, remove, beginDeletion }

  let base = InMemoryVolumeRegistry()
  private let failing = Mutex<Set<Operation>>([])

  func fail(_ operations: Set<Operation>) { failing.withLock { $0 = operations } }

  private func pass(_ operation: Operation) throws(RegistryError) {
    if failing.withLock({ $0.contains(operation) }) { throw .unavailable(step: "\(operation)", cause: "disk on fire") }
  }

  func volume(id: String) async throws(RegistryError) -> VolumeRecord? { try await base.volume(id: id) }
  func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord] {
    try await base.volumes(after: id, limit: limit)
  }
  func insert(_ record: VolumeRecord) async throws(RegistryError) {
    try pass(.insert)
    try await base.insert(record)
  }
  func update(_ record: VolumeRecord) async throws(RegistryError) {
    try pass(.update)
    try await base.update(record)
  }
  func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord {
    try pass(.beginDeletion)
    return try await base.beginDeletion(id: id)
  }
  func remove(id: String) async throws(RegistryError) {
    try pass(.remove)
    try await base.remove(id: id)
  }
  func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError) {
    try await base.publish(publication, of: volumeID)
  }
  func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError) {
    try await base.unpublish(volumeID: volumeID, from: nodeID)
  }
  func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication] {
    try await base.publications(of: volumeID)
  }
  func check() async throws(RegistryError) {}
}

/// Directories whose first call waits until it is let go.
final class HeldDirectories: ProvisioningDirectories {
  private let started = AsyncStream.makeStream(of: Void.self)
  private let gate = AsyncStream.makeStream(of: Void.self)

  func waitUntilStarted() async { for await _ in started.stream { return } }
  func letGo() { gate.continuation.finish() }

  func checkServed(_ base: UnderFileSystemURI, by deadline: Deadline) async throws(CSIError) {
    started.continuation.yield()
    for await _ in gate.stream {}
    if Task.isCancelled { throw .cancelled(step: "open \(base)") }
  }
  func create(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, by deadline: Deadline
  ) async throws(CSIError) -> Bool { true }
  func check(
    _ name: String, owner volumeID: String, in base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError) {}
  func end(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, _ action: VolumeContext.OnDelete,
    by deadline: Deadline
  ) async throws(CSIError) {}
  func capacity(of base: UnderFileSystemURI?, by deadline: Deadline) async throws(CSIError) -> UInt64 { .max }
}
