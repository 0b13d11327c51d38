package import LinuxSystem
package import Logging

/// The embedded registry: a directory of JSON files, each written by write, fsync, rename, fsync of the directory.
///
/// Several processes may share the directory (a controller and a node plugin on one machine). Nothing is cached, so that
/// each sees the others' changes; changes exclude each other by a lock file, reads take none.
package final class DirectoryVolumeRegistry: VolumeRegistry {
  private let store: RegistryDirectory
  /// How long one operation may take before its caller is told that the disk hangs.
  private let patience: Duration

  /// Opens or creates the registry.
  /// - Parameters:
  ///   - path: absolute; its parent exists.
  ///   - observer: called between the steps of every write: where crash tests kill the process.
  package init(
    path: String, logger: Logger, patience: Duration = .seconds(20),
    observer: @escaping @Sendable (AtomicFile.Step) -> Void = { _ in }
  ) throws(RegistryError) {
    store = try RegistryDirectory(path: path, logger: logger, observer: observer)
    self.patience = patience
  }

  package func volume(id: String) async throws(RegistryError) -> VolumeRecord? {
    try await run("read volume") { store throws(RegistryError) in try store.record(id: id) }
  }

  package func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord] {
    try await run("list volumes") { store throws(RegistryError) in
      var records: [VolumeRecord] = []
      for candidate in try store.ids(after: id) where records.count < limit {
        if let record = try store.record(id: candidate) { records.append(record) }
      }
      return records
    }
  }

  package func insert(_ record: VolumeRecord) async throws(RegistryError) {
    try await change("record volume") { store throws(RegistryError) in
      guard try store.record(id: record.id) == nil else { throw .exists(volume: record.id) }
      try store.write(record)
    }
  }

  package func update(_ record: VolumeRecord) async throws(RegistryError) {
    try await change("record volume") { store throws(RegistryError) in
      guard try store.record(id: record.id) != nil else { throw .absent(volume: record.id) }
      try store.write(record)
    }
  }

  package func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord {
    try await change("delete volume") { store throws(RegistryError) in
      guard var record = try store.record(id: id) else { throw .absent(volume: id) }
      let nodes = try store.publications(of: id).map(\.nodeID)
      guard nodes.isEmpty else { throw .published(volume: id, nodes: nodes) }
      record.state = .deleting
      try store.write(record)
      return record
    }
  }

  package func remove(id: String) async throws(RegistryError) {
    try await change("forget volume") { store throws(RegistryError) in try store.remove(id: id) }
  }

  package func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError) {
    try await change("record a publication") { store throws(RegistryError) in
      guard try store.record(id: volumeID)?.state != .deleting else { throw .deleting(volume: volumeID) }
      try store.write(publication, of: volumeID)
    }
  }

  package func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError) {
    try await change("forget a publication") { store throws(RegistryError) in
      try store.removePublication(of: volumeID, from: nodeID)
    }
  }

  package func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication] {
    try await run("read publications") { store throws(RegistryError) in try store.publications(of: volumeID) }
  }

  package func check() async throws(RegistryError) {
    try await run("check the registry") { store throws(RegistryError) in try store.check() }
  }

  /// A change, alone among all processes.
  private func change<Value: Sendable>(
    _ step: String, _ body: @escaping @Sendable (RegistryDirectory) throws(RegistryError) -> Value
  ) async throws(RegistryError) -> Value {
    try await run(step) { store throws(RegistryError) in
      try store.alone { () throws(RegistryError) in try body(store) }
    }
  }

  /// Runs on a thread that may block on the disk, and gives up after `patience`.
  private func run<Value: Sendable>(
    _ step: String, _ body: @escaping @Sendable (RegistryDirectory) throws(RegistryError) -> Value
  ) async throws(RegistryError) -> Value {
    let store = store
    let result: Result<Value, RegistryError>
    do throws(BlockingCallError) {
      result = try await BlockingCall.run(name: step, deadline: .after(patience)) {
        do throws(RegistryError) { return .success(try body(store)) } catch { return .failure(error) }
      }
    } catch {
      throw .unavailable(step: step, cause: error.description)
    }
    return try result.get()
  }
}
