internal import LinuxSystem
internal import VolumeModel

/// The Controller service of CSI over Swift values: what each call does, without its wire form.
package struct ControllerService: Sendable {
  let registry: any VolumeRegistry
  /// The node service of this process, if there is one: it knows more, and sooner, than the registry.
  let published: (any PublishedVolumes)?
  let directories: any ProvisioningDirectories
  private let calls = CallsInProgress(of: "volume")

  /// Entries of a page when the caller does not say: a page stays far below gRPC's 4 MiB.
  static let defaultPage = 500

  package static let capabilities = ControllerCapability.allCases

  package init(
    registry: any VolumeRegistry, published: (any PublishedVolumes)?, directories: any ProvisioningDirectories
  ) {
    self.registry = registry
    self.published = published
    self.directories = directories
  }

  /// Runs `body` as the only call for a volume.
  func alone<Value: Sendable>(
    _ volumeID: String, _ body: () async throws(CSIError) -> Value
  ) async throws(CSIError) -> Value {
    try await calls.holding(volumeID, body)
  }

  /// The record of a volume that is there, for calls that need one.
  func existing(_ volumeID: String) async throws(CSIError) -> VolumeRecord {
    guard !volumeID.isEmpty else { throw .missingField("volume_id") }
    let found = try await asking { () throws(RegistryError) in try await registry.volume(id: volumeID) }
    guard let record = found else {
      throw .notFound(
        what: "volume", name: volumeID, advice: "create it first; static volumes are not known to the controller")
    }
    guard record.state == .ready else { throw .inProgress(what: "volume", name: volumeID) }
    return record
  }

  /// Turns the registry's errors into the caller's.
  func asking<Value>(_ body: () async throws(RegistryError) -> Value) async throws(CSIError) -> Value {
    do throws(RegistryError) { return try await body() } catch { throw CSIError(error) }
  }

  /// ControllerGetVolume.
  package func volume(id: String) async throws(CSIError) -> VolumeStatus {
    try await status(of: try await existing(id))
  }

  func status(of record: VolumeRecord) async throws(CSIError) -> VolumeStatus {
    VolumeStatus(volume: Volume(record), condition: try await condition(of: record.id))
  }

  /// What is known of the volume's mounts: abnormal if any of them is.
  private func condition(of volumeID: String) async throws(CSIError) -> VolumeCondition {
    var publications = try await asking { () throws(RegistryError) in try await registry.publications(of: volumeID) }
    if let own = published?.publication(of: volumeID) {
      publications.removeAll { $0.nodeID == own.nodeID }
      publications.append(own)
    }
    let broken = publications.filter(\.condition.abnormal).map { "\($0.nodeID): \($0.condition.message)" }.sorted()
    guard broken.isEmpty else { return VolumeCondition(abnormal: true, message: broken.joined(separator: "; ")) }
    let nodes = publications.map(\.nodeID).sorted().joined(separator: ", ")
    let use = publications.isEmpty ? "not published" : "published on \(nodes)"
    return VolumeCondition(abnormal: false, message: "the volume is usable; \(use)")
  }
}

extension Volume {
  init(_ record: VolumeRecord) {
    self.init(id: record.id, capacityBytes: record.capacityBytes, context: record.context)
  }
}
