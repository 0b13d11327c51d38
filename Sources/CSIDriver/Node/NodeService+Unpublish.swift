package import LinuxSystem
internal import Logging
internal import Mounter
internal import VolumeModel

extension NodeService {
  /// NodeUnpublishVolume: takes the target away, and the worker with its last target. Succeeds where nothing is published;
  /// an unmount that fails is an error.
  package func unpublish(_ request: NodeUnpublishVolumeRequest, by deadline: Deadline) async throws(CSIError) {
    let volumeID = try NodeField.volumeID(request.volumeID)
    let target = try NodeField.target(request.targetPath, "target_path", paths)
    try await holding(target.path, for: .unpublish, by: deadline) { () async throws(CSIError) in
      guard let record = records[target.path] else { return try await removeUnknown(target, by: deadline) }
      guard PathComponents.same(record.volumeID, volumeID) else {
        throw .notFound(what: "volume", name: volumeID, advice: "\(record.volumeID) is what is published at \(target)")
      }
      let users = try await takeDown(record, removingFolder: true, by: deadline)
      if !users.isEmpty {
        let names = users.map(\.description).joined(separator: ", ")
        logger.warning("detached while in use", metadata: ["target": "\(target)", "users": "\(names)"])
      }
      try await turns.holding(record.workerKey.name, until: deadline) { () async throws(CSIError) in
        try await forget(record, by: deadline)
      }
    }
  }

  /// A target without a record: mounts of ours that are left there go, and the directory, when it is an empty one. What is
  /// somebody else's stays as it is.
  private func removeUnknown(_ target: TargetPath, by deadline: Deadline) async throws(CSIError) {
    try await NodeBlocking.run("remove \(target)", by: deadline) { [paths] () throws(TargetFault) in
      do throws(TargetFault) {
        guard let folder = try TargetFolder.find(target, paths: paths) else { return }
        let mount = TargetMount(path: folder.mountPath)
        try mount.removeLeftover(volumes: paths.volumes, orElse: .leave)
        if try mount.content() == .nothing { try folder.remove(known: false) }
      } catch .wayNotADirectory {
        return  // Nothing was ever published on such a path.
      }
    }
  }

  /// Takes a target's mounts and its directory away; the record stays. Repeatable.
  /// - Parameter removingFolder: false leaves the directory as it was before the publish.
  /// - Returns: who still used a mount that had to be detached.
  func takeDown(
    _ record: TargetRecord, removingFolder: Bool, by deadline: Deadline
  ) async throws(CSIError) -> [ProcessReference] {
    let target = try NodeField.target(record.target, "target_path", paths)
    return try await NodeBlocking.run("unmount \(target)", by: deadline) { [paths] () throws(TargetFault) in
      guard let folder = try TargetFolder.find(target, paths: paths) else { return [] }
      let users = try TargetMount(path: folder.mountPath).unmountAll()
      if removingFolder { try folder.remove(known: true) } else { try folder.unshut() }
      return users
    }
  }

  /// Takes only the mounts away, before another one comes in their place.
  func takeMountsAway(_ target: TargetPath, by deadline: Deadline) async throws(CSIError) {
    _ = try await NodeBlocking.run("unmount \(target)", by: deadline) { [paths] () throws(TargetFault) in
      guard let folder = try TargetFolder.find(target, paths: paths) else { return [ProcessReference]() }
      return try TargetMount(path: folder.mountPath).unmountAll()
    }
  }

  /// Ends what only this target needed, then its record. The caller has the worker's turn. Repeatable.
  func forget(_ record: TargetRecord, by deadline: Deadline) async throws(CSIError) {
    let siblings = records.targets(ofWorker: record.workerKey.name).filter {
      !PathComponents.same($0.target, record.target)
    }
    if siblings.isEmpty {
      try await stopWorker(record.workerKey, by: deadline)
    } else {
      await restrictWorker(record.workerKey, to: siblings, by: deadline)
    }
    try await removeRecord(record, by: deadline)
  }
}
