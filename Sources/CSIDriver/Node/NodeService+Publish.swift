package import LinuxSystem
internal import Logging
internal import Mounter
internal import VolumeModel

extension NodeService {
  /// NodePublishVolume: shows the volume at the target. A repeat of a publish that stands succeeds at once and hands new
  /// secrets to the worker; a broken mount is repaired; what a failed call made is gone before it answers.
  package func publish(_ request: NodePublishVolumeRequest, by deadline: Deadline) async throws(CSIError) {
    let plan = try PublishPlan(request, configuration: configuration)
    try await holding(plan.target.path, for: .publish, by: deadline) { () async throws(CSIError) in
      switch try await standing(of: plan, by: deadline) {
      case .whole: try await refreshSecrets(plan, by: deadline)
      case .broken: try await repair(plan, by: deadline)
      case .absent: try await establish(plan, by: deadline)
      }
    }
  }

  private func establish(_ plan: PublishPlan, by deadline: Deadline) async throws(CSIError) {
    try await turns.holding(plan.key.name, until: deadline) { () async throws(CSIError) in
      let madeFolder = try await clearTarget(plan, by: deadline)
      try await records.admit(TargetRecord(plan, madeFolder: madeFolder), by: deadline)
      do throws(CSIError) {
        if isFirstTarget(plan) { try await registerUse(of: plan.volumeID, by: deadline) }
        let worker = try await startWorker(for: plan, by: deadline)
        let ownGroup = try await bind(
          plan.target, to: worker, readOnly: plan.readOnly, noExec: plan.noExec, by: deadline)
        try await records.update(plan.target.path, by: deadline) {
          $0.phase = .published
          $0.ownGroupConnection = ownGroup
        }
        if let path = plan.warmUp, records.targets(ofWorker: plan.key.name).count == 1 {
          warming?.warm(plan.key, path: path)
        }
      } catch {
        await abandon(plan.target)
        throw error
      }
    }
  }

  /// Another target that stands has told the registry already.
  private func isFirstTarget(_ plan: PublishPlan) -> Bool {
    !records.targets(ofVolume: plan.volumeID).contains {
      !PathComponents.same($0.target, plan.target.path) && $0.phase == .published
    }
  }

  /// Puts a broken mount in order again. The record stays whatever happens: the kubelet believes in this target.
  private func repair(_ plan: PublishPlan, by deadline: Deadline) async throws(CSIError) {
    logger.notice("repairing a target", metadata: ["volume": "\(plan.volumeID)", "target": "\(plan.target)"])
    try await turns.holding(plan.key.name, until: deadline) { () async throws(CSIError) in
      // Somebody else may have repaired it while this call waited.
      if try await standing(of: plan, by: deadline) == .whole { return try await refreshSecrets(plan, by: deadline) }
      let worker = try await startWorker(for: plan, by: deadline)
      // The target's lock keeps the record.
      if let record = records[plan.target.path] { try await rebind(record, to: worker, by: deadline) }
      noteRecovery(nil, of: plan.key)
    }
  }

  /// Holds a target while `body` runs. A call waits for a repair that the plugin began by itself, and for nothing else.
  func holding(
    _ target: String, for call: TargetCall, by deadline: Deadline, _ body: () async throws(CSIError) -> Void
  ) async throws(CSIError) {
    if let record = records[target], recoveries.contains(record.workerKey.name) || locks.isUnderRepair(target) {
      try await turns.holding(record.workerKey.name, until: deadline) { () async throws(CSIError) in }
    }
    try await locks.holding(target, for: call, body)
  }

  private func refreshSecrets(_ plan: PublishPlan, by deadline: Deadline) async throws(CSIError) {
    guard let secrets = plan.secrets else { return }
    do throws(MounterError) { try await mounter.refreshSecrets(secrets, of: plan.key, by: deadline) } catch {
      throw CSIError(error)
    }
  }

  /// Takes down what a failed publish made, whether or not its caller still waits. What cannot be taken down keeps its
  /// record, and so is found by the repeat, by unpublish and by the next start.
  private func abandon(_ target: TargetPath) async {
    await NodeBlocking.uncancelled { [self] in
      guard let record = records[target.path] else { return }
      let deadline = Deadline.after(configuration.cleanupPatience)
      do throws(CSIError) {
        _ = try await takeDown(record, removingFolder: record.madeFolder, by: deadline)
        try await forget(record, by: deadline)
      } catch {
        logger.error(
          "a failed publish is not cleaned up", metadata: ["target": "\(target)", "reason": "\(error.message)"])
      }
    }
  }
}
