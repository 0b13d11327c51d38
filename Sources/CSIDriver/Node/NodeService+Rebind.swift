internal import LinuxSystem
internal import Logging
internal import Mounter
internal import VolumeModel

extension NodeService {
  /// Gives a published target the worker's mount in place of those that are there, and with it the containers that receive
  /// mounts. The caller has the target's lock.
  func rebind(_ record: TargetRecord, to worker: WorkerStatus, by deadline: Deadline) async throws(CSIError) {
    let target = try NodeField.target(record.target, "target_path", paths)
    let former = await containersCopy(of: record, at: target, by: deadline)
    try await takeMountsAway(target, by: deadline)
    let ownGroup = try await bind(
      target, to: worker, readOnly: record.readOnly, noExec: record.noExec, by: deadline)
    if let former { await replace(former, at: target, by: deadline) }
    if record.ownGroupConnection != ownGroup {
      try await records.update(record.target, by: deadline) { $0.ownGroupConnection = ownGroup }
    }
  }

  /// Best effort, as what is in the way keeps nobody from mending the target itself.
  private func containersCopy(
    of record: TargetRecord, at target: TargetPath, by deadline: Deadline
  ) async -> MountCopy? {
    do throws(CSIError) {
      return try await NodeBlocking.run("copy the mount at \(target)", by: deadline) {
        [paths] () throws(TargetFault) in
        guard let folder = try TargetFolder.find(target, paths: paths) else { return nil }
        return try TargetMount(path: folder.mountPath).copy(ofOwnGroup: record.ownGroupConnection)
      }
    } catch {
      logger.warning(
        "containers keep a lost mount", metadata: ["target": "\(target)", "reason": "\(error.message)"])
      return nil
    }
  }

  /// Containers that are not reached are found by looking at what they see (`StaleMounts`).
  private func replace(_ former: MountCopy, at target: TargetPath, by deadline: Deadline) async {
    do throws(CSIError) {
      try await NodeBlocking.run("mount the volume in the containers that use \(target)", by: deadline) {
        [paths] () throws(TargetFault) in
        guard let folder = try TargetFolder.find(target, paths: paths) else { return }
        try TargetMount(path: folder.mountPath).replace(former, over: paths.stateDirectory)
      }
    } catch {
      logger.warning(
        "containers keep a lost mount", metadata: ["target": "\(target)", "reason": "\(error.message)"])
    }
  }
}
