internal import LinuxSystem
internal import VolumeModel

/// What the registry that controllers read knows of this node's use of a volume. Changes of one volume's entry wait for each
/// other: otherwise a late condition could bring back the entry of a volume that is no longer used.
extension NodeService {
  /// Says that the volume is used here, and how it is; nothing to say where no target of it is known.
  func registerUse(of volumeID: String, by deadline: Deadline) async throws(CSIError) {
    reports?.ring()
    guard let registry else { return }
    try await turns.holding(Self.entry(of: volumeID), until: deadline) { () async throws(CSIError) in
      guard let publication = publication(of: volumeID) else { return }
      do throws(RegistryError) { try await registry.publish(publication, of: volumeID) } catch { throw CSIError(error) }
    }
  }

  /// Forgets a target, and says that the volume is not used here any more if that was its last one.
  func removeRecord(_ record: TargetRecord, by deadline: Deadline) async throws(CSIError) {
    try await turns.holding(Self.entry(of: record.volumeID), until: deadline) { () async throws(CSIError) in
      let targets = records.targets(ofVolume: record.volumeID)
      if targets.allSatisfy({ PathComponents.same($0.target, record.target) }) {
        usage.forget(record.volumeID)
        do throws(RegistryError) {
          try await registry?.unpublish(volumeID: record.volumeID, from: configuration.nodeID)
        } catch { throw CSIError(error) }
      }
      try await records.remove(record.target, by: deadline)
      reports?.ring()
    }
  }

  /// Never the name of a worker, which is hexadecimal.
  private static func entry(of volumeID: String) -> String { "volume \(volumeID)" }
}
