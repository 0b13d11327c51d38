package import LinuxSystem
internal import VolumeModel

extension ControllerService {
  /// DeleteVolume: succeeds for a volume that is not there.
  package func delete(_ request: DeleteVolumeRequest, by deadline: Deadline) async throws(CSIError) {
    guard !request.volumeID.isEmpty else { throw .missingField("volume_id") }
    try await alone(request.volumeID) { () async throws(CSIError) in
      let known = try await asking { () throws(RegistryError) in try await registry.volume(id: request.volumeID) }
      guard known != nil else { return }
      if let own = published?.publication(of: request.volumeID) {
        throw CSIError.volumeInUse(volume: request.volumeID, nodes: [own.nodeID])
      }
      let record = try await asking { () throws(RegistryError) in try await registry.beginDeletion(id: request.volumeID)
      }
      try await end(record, secrets: request.secrets, by: deadline)
      try await asking { () throws(RegistryError) in try await registry.remove(id: record.id) }
    }
  }

  /// Does with the volume's directory what `onDelete` says. A repeat after a crash finds it done and succeeds.
  private func end(
    _ record: VolumeRecord, secrets: [String: String], by deadline: Deadline
  ) async throws(CSIError) {
    guard let directory = record.directory else { return }
    let context = try requestedContext(of: record)
    guard context.onDelete != .retain else { return }
    let place = try context.place(secrets: secrets)
    try await directories.end(directory, owner: record.id, in: place, context.onDelete, by: deadline)
  }
}
