internal import Synchronization
internal import VolumeModel

/// A registry that is gone with its process: for tests, and the reference that the directory registry is compared with.
package final class InMemoryVolumeRegistry: VolumeRegistry {
  private struct Contents {
    var records: [ByteKey: VolumeRecord] = [:]
    var publications: [ByteKey: [ByteKey: NodePublication]] = [:]
  }

  private let contents = Mutex(Contents())

  package init() {}

  package func volume(id: String) async throws(RegistryError) -> VolumeRecord? {
    contents.withLock { $0.records[ByteKey(id)] }
  }

  package func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord] {
    contents.withLock { contents in
      let ids = contents.records.keys.filter { key in id.map { ByteKey($0) < key } ?? true }
      return ids.sorted().prefix(limit).compactMap { contents.records[$0] }
    }
  }

  package func insert(_ record: VolumeRecord) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[ByteKey(record.id)] == nil else { throw .exists(volume: record.id) }
      contents.records[ByteKey(record.id)] = record
    }
  }

  package func update(_ record: VolumeRecord) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[ByteKey(record.id)] != nil else { throw .absent(volume: record.id) }
      contents.records[ByteKey(record.id)] = record
    }
  }

  package func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord {
    try contents.withLock { contents throws(RegistryError) in
      guard var record = contents.records[ByteKey(id)] else { throw .absent(volume: id) }
      let nodes = contents.publications[ByteKey(id), default: [:]].keys.sorted().map(\.text)
      guard nodes.isEmpty else { throw .published(volume: id, nodes: nodes) }
      record.state = .deleting
      contents.records[ByteKey(id)] = record
      return record
    }
  }

  package func remove(id: String) async throws(RegistryError) {
    contents.withLock { $0.records[ByteKey(id)] = nil }
  }

  package func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError) {
    try contents.withLock { contents throws(RegistryError) in
      guard contents.records[ByteKey(volumeID)]?.state != .deleting else { throw .deleting(volume: volumeID) }
      contents.publications[ByteKey(volumeID), default: [:]][ByteKey(publication.nodeID)] = publication
    }
  }

  package func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError) {
    contents.withLock { $0.publications[ByteKey(volumeID)]?[ByteKey(nodeID)] = nil }
  }

  package func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication] {
    contents.withLock { contents in
      contents.publications[ByteKey(volumeID), default: [:]].sorted { $0.key < $1.key }.map(\.value)
    }
  }

  package func check() async throws(RegistryError) {}
}
