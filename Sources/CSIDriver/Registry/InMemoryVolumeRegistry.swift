internal import Synchronization

/// A registry that is gone with its process: for tests, and the reference that the directory registry is compared with.
package final class InMemoryVolumeRegistry: VolumeRegistry {
  private struct Contents {
    var records: [String: VolumeRecord] = [:]
    var publications: [String: [String: NodePublication]] = [:]
  }

  private let contents = Mutex(Contents())

  package init() {}

  package func volume(id: String) async throws(RegistryError) -> VolumeRecord? {
    contents.withLock { $0.records[id] }
  }

  package func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord] {
    contents.withLock { contents in
      let ids = contents.records.keys.sorted().filter { id == nil || $0 > id! }
      return ids.prefix(limit).compactMap { contents.records[$0] }
    }
  }

  package func insert(_ record: VolumeRecord) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[record.id] == nil else { throw .exists(volume: record.id) }
      contents.records[record.id] = record
    }
  }

  package func update(_ record: VolumeRecord) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[record.id] != nil else { throw .absent(volume: record.id) }
      contents.records[record.id] = record
    }
  }

  package func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord {
    try contents.withLock { contents throws(RegistryError) in
      guard var record = contents.records[id] else { throw .absent(volume: id) }
      let nodes = contents.publications[id, default: [:]].keys.sorted()
      guard nodes.isEmpty else { throw .published(volume: id, nodes: nodes) }
      record.state = .deleting
      contents.records[id] = record
      return record
    }
  }

  package func remove(id: String) async throws(RegistryError) {
    contents.withLock { $0.records[id] = nil }
  }

  package func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[volumeID]?.state != .deleting else { throw .deleting(volume: volumeID) }
      contents.publications[volumeID, default: [:]][publication.nodeID] = publication
    }
  }

  package func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError) {
    contents.withLock { $0.publications[volumeID]?[nodeID] = nil }
  }

  package func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication] {
    contents.withLock { contents in
      contents.publications[volumeID, default: [:]].values.sorted { $0.nodeID < $1.nodeID }
    }
  }

  package func check() async throws(RegistryError) {}
}
