/// What CreateVolume promised. Survives restarts of the controller.
package struct VolumeRecord: Sendable, Hashable, Codable {
  package enum State: String, Sendable, Hashable, Codable {
    /// CreateVolume has begun and not answered: a repeated call takes it up.
    case creating
    case ready
    /// DeleteVolume has begun: nothing is published any more, a repeated call takes it up.
    case deleting
  }

  /// Shape of the record. A record of a later one is left alone and named in the error.
  package var version = VolumeRecord.currentVersion
  package static let currentVersion = 1
  package var id: String
  /// As CreateVolume was asked: the id may be a hash of it.
  package var name: String
  package var state: State
  package var capacityBytes: Int64
  /// Our own keys of the StorageClass, by their documented names; what a repeated call is compared with.
  package var parameters: [String: String]
  /// What CreateVolume answers and the node plugin gets.
  package var context: [String: String]
  /// For `provisioning: directory`: the name of its directory beneath the UFS path.
  package var directory: String?

  package init(
    id: String, name: String, state: State, capacityBytes: Int64, parameters: [String: String],
    context: [String: String],
    directory: String? = nil
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.capacityBytes = capacityBytes
    self.parameters = parameters
    self.context = context
    self.directory = directory
  }
}

/// Why the registry could not answer.
package enum RegistryError: Error, Sendable, Hashable {
  /// The store cannot be read or written: `step` on what, `cause` how.
  case unavailable(step: String, cause: String)
  /// The volume is published there and cannot be deleted.
  case published(volume: String, nodes: [String])
  /// The volume is being deleted and cannot be published.
  case deleting(volume: String)
  case absent(volume: String)
  case exists(volume: String)
}

/// The memory of all volumes, shared by the processes of a driver. Every change is on the disk when it returns, and is
/// either whole or not there after a crash at any point.
package protocol VolumeRegistry: Sendable {
  /// Nil where no such volume exists.
  func volume(id: String) async throws(RegistryError) -> VolumeRecord?
  /// At most `limit` records with ids after `id`, in the order of their ids' bytes.
  func volumes(after id: String?, limit: Int) async throws(RegistryError) -> [VolumeRecord]
  /// - Throws: `.exists`.
  func insert(_ record: VolumeRecord) async throws(RegistryError)
  /// Replaces a record. - Throws: `.absent`.
  func update(_ record: VolumeRecord) async throws(RegistryError)
  /// Marks a volume as `deleting`, unless a node publishes it. Repeatable.
  /// - Throws: `.published`, `.absent`.
  func beginDeletion(id: String) async throws(RegistryError) -> VolumeRecord
  /// Forgets a volume; nothing to do where it is not there.
  func remove(id: String) async throws(RegistryError)

  /// Says that a node uses a volume, which need not be in the registry (static and inline volumes are not).
  /// - Throws: `.deleting`.
  func publish(_ publication: NodePublication, of volumeID: String) async throws(RegistryError)
  /// Says that a node no longer uses a volume. Repeatable.
  func unpublish(volumeID: String, from nodeID: String) async throws(RegistryError)
  /// The nodes that use a volume, by their ids.
  func publications(of volumeID: String) async throws(RegistryError) -> [NodePublication]

  /// Whether the store can be read and written now; for Probe.
  func check() async throws(RegistryError)
}
