package import Kubernetes
internal import Synchronization
internal import VolumeModel

/// The registry of a cluster: one AlluxioVolume each. Several controllers may share it: every change is for the version that
/// was read, and made anew when somebody else was faster.
///
/// The record of a volume is its specification, the nodes that use it are its status; a volume that the controller has not
/// made is there for as long as a node uses it.
package final class KubernetesVolumeRegistry: VolumeRegistry {
  private let client: KubernetesClient

  /// How often a volume that comes and goes under a call is looked for again.
  private static let attempts = 8

  /// The client stays the caller's.
  package init(_ client: KubernetesClient) { self.client = client }

  package func volume(id: String) async throws(RegistryError) -> VolumeRecord? {
    try Self.record(of: await object(id: id))
  }

  package func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord] {
    let all = try await attempt("list volumes") { client throws(KubernetesError) in
      try await client.list(AlluxioVolume.self)
    }
    // The server has them in the order of their names, and goes on after tokens, not after ids.
    var later: [VolumeRecord] = []
    for object in all.items {
      guard let record = try Self.record(of: object), id.map({ ByteKey($0) < ByteKey(record.id) }) ?? true else {
        continue
      }
      later.append(record)
    }
    return Array(later.sorted { ByteKey($0.id) < ByteKey($1.id) }.prefix(limit))
  }

  package func insert(_ record: VolumeRecord) async throws(RegistryError) {
    if try await create(AlluxioVolume(id: record.id, record: record)) { return }
    // Perhaps a node uses a volume of that id already.
    try await modify(record.id, "record volume") { object throws(RegistryError) -> RecordPatch? in
      guard object.spec.record == nil else { throw .exists(volume: record.id) }
      return RecordPatch(old: nil, new: record)
    }
  }

  package func update(_ record: VolumeRecord) async throws(RegistryError) {
    try await modify(record.id, "record volume") { object throws(RegistryError) -> RecordPatch? in
      guard let old = object.spec.record else { throw .absent(volume: record.id) }
      return old == record ? nil : RecordPatch(old: old, new: record)
    }
  }

  package func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord {
    let object = try await modify(id, "delete volume") { object throws(RegistryError) -> RecordPatch? in
      guard let old = object.spec.record else { throw .absent(volume: id) }
      let nodes = object.publications.map(\.nodeID)
      guard nodes.isEmpty else { throw .published(volume: id, nodes: nodes) }
      guard old.state != .deleting else { return nil }
      var new = old
      new.state = .deleting
      return RecordPatch(old: old, new: new)
    }
    guard let record = object.spec.record else { throw .absent(volume: id) }
    return record
  }

  package func remove(id: String) async throws(RegistryError) {
    for _ in 0..<Self.attempts {
      guard let object = try await object(id: id), object.spec.record != nil else { return }
      guard object.publications.isEmpty else {
        // What a node says of it stays until the node says otherwise.
        do throws(RegistryError) {
          try await modify(id, "forget volume") { object throws(RegistryError) -> RecordPatch? in
            object.spec.record.map { RecordPatch(old: $0, new: nil) }
          }
          return
        } catch .absent { return }
      }
      if try await delete(object) { return }
    }
    throw .unavailable(step: "forget volume", cause: "the volume changes all the time")
  }

  package func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError) {
    for _ in 0..<Self.attempts {
      do throws(RegistryError) {
        try await modify(volumeID, "record a publication", subresource: "status") {
          object throws(RegistryError) -> PublicationPatch? in
          guard object.spec.record?.state != .deleting else { throw .deleting(volume: volumeID) }
          return PublicationPatch(object, nodeID: publication.nodeID, publication: publication)
        }
        return
      } catch .absent {
        _ = try await create(AlluxioVolume(id: volumeID, record: nil))
      }
    }
    throw .unavailable(step: "record a publication", cause: "the volume comes and goes all the time")
  }

  package func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError) {
    let object: AlluxioVolume
    do throws(RegistryError) {
      object = try await modify(volumeID, "forget a publication", subresource: "status") {
        object throws(RegistryError) -> PublicationPatch? in
        PublicationPatch(object, nodeID: nodeID, publication: nil)
      }
    } catch .absent { return }
    // Another node may have come meanwhile: then it is another version.
    if object.spec.record == nil, object.publications.isEmpty { _ = try await delete(object) }
  }

  package func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication] {
    try await object(id: volumeID)?.publications ?? []
  }

  package func check() async throws(RegistryError) {
    _ = try await attempt("check the registry") { client throws(KubernetesError) in
      try await client.page(AlluxioVolume.self, limit: 1)
    }
  }

  /// The record in an object, unless a later program wrote it.
  private static func record(of object: AlluxioVolume?) throws(RegistryError) -> VolumeRecord? {
    guard let object, let record = object.spec.record else { return nil }
    guard record.version <= VolumeRecord.currentVersion else {
      throw .unavailable(
        step: "read \(object.metadata.name)",
        cause: "it has version \(record.version), this program reads \(VolumeRecord.currentVersion): use a newer one")
    }
    return record
  }

  private func object(id: String) async throws(RegistryError) -> AlluxioVolume? {
    do throws(KubernetesError) { return try await client.get(name: AlluxioVolume.name(of: id)) } catch {
      if error.kind == .absent { return nil }
      throw .unavailable(step: "read volume", cause: error.message)
    }
  }

  /// - Returns: false where an object of that name is there already.
  private func create(_ object: AlluxioVolume) async throws(RegistryError) -> Bool {
    do throws(KubernetesError) {
      _ = try await client.create(object)
      return true
    } catch {
      if error.kind == .exists { return false }
      throw .unavailable(step: "record volume", cause: error.message)
    }
  }

  /// - Returns: false where it is no longer the version that was read.
  private func delete(_ object: AlluxioVolume) async throws(RegistryError) -> Bool {
    do throws(KubernetesError) {
      try await client.delete(
        AlluxioVolume.self, name: object.metadata.name, version: object.metadata.resourceVersion)
      return true
    } catch {
      switch error.kind {
      case .absent: return true
      case .conflict: return false
      default: throw .unavailable(step: "forget volume", cause: error.message)
      }
    }
  }

  /// Changes a volume as `edit` says, which may be asked more than once.
  /// - Parameter edit: nil leaves it as it is.
  /// - Throws: what `edit` throws; `.absent` where there is no object.
  @discardableResult
  private func modify<Patch: Encodable & Sendable>(
    _ id: String, _ step: String, subresource: String? = nil,
    _ edit: @Sendable (AlluxioVolume) throws(RegistryError) -> Patch?
  ) async throws(RegistryError) -> AlluxioVolume {
    let refusal = Mutex<RegistryError?>(nil)
    do throws(KubernetesError) {
      return try await client.change(name: AlluxioVolume.name(of: id), subresource: subresource) {
        (object: AlluxioVolume) throws(KubernetesError) -> Patch? in
        do throws(RegistryError) { return try edit(object) } catch {
          refusal.withLock { $0 = error }
          throw KubernetesError(.invalid, "the registry refuses it")
        }
      }
    } catch {
      if let refusal = refusal.withLock({ $0 }) { throw refusal }
      if error.kind == .absent { throw .absent(volume: id) }
      throw .unavailable(step: step, cause: error.message)
    }
  }

  private func attempt<Value>(
    _ step: String, _ body: (KubernetesClient) async throws(KubernetesError) -> Value
  ) async throws(RegistryError) -> Value {
    do throws(KubernetesError) { return try await body(client) } catch {
      throw .unavailable(step: step, cause: error.message)
    }
  }
}
