package import LinuxSystem
internal import Logging
internal import Mounter
package import VolumeModel

/// Published volumes whose mount was lost: after the end of mounter and workers together, or of the whole node. They are
/// mounted and bound again from their records, without a call of the kubelet's.
extension NodeService {
  /// One attempt at every published volume, each with its own deadline and all at once; for tests.
  package func recoverPublished() async {
    await withDiscardingTaskGroup { group in
      for name in Set(records.all.map(\.workerKey.name)) { group.addTask { [self] in _ = await recover(name) } }
    }
  }

  /// Begins to recover every published volume that is not being recovered already.
  func beginRecovery(in group: inout DiscardingTaskGroup) {
    for name in Set(records.all.map(\.workerKey.name)) where recoveries.begin(name) {
      group.addTask { [self] in
        repeat { await recoverUntilDone(name) } while !recoveries.end(name) && !Task.isCancelled
      }
    }
  }

  /// Tries again where something is in the way, as an under file system that is mounted after the plugin starts.
  private func recoverUntilDone(_ name: String) async {
    var pause = Duration.seconds(1)
    while !(await recover(name)), !Task.isCancelled {
      guard (try? await Task.sleep(for: pause)) != nil else { return }
      pause = min(pause * 2, .seconds(30))
    }
  }

  /// Recovers the volume of one worker if it has to be.
  /// - Returns: whether nothing is left to be tried.
  private func recover(_ name: String) async -> Bool {
    let deadline = Deadline.after(configuration.recoveryPatience)
    guard let key = published(by: name).first?.workerKey else { return true }
    let outcome: RecoveryOutcome?
    var isDone = true
    do throws(CSIError) {
      outcome = try await turns.holding(name, until: deadline) { () async throws(CSIError) in
        try await recoverInTurn(key, by: deadline)
      }
    } catch .unavailable {
      return true  // The mounter is away, and its coming back is reason to begin again.
    } catch {
      outcome = .restartNeeded(reason: "the volume's mount was lost and cannot be made again yet: \(error.message)")
      isDone = false
    }
    if let outcome { note(outcome, of: key) }
    return isDone
  }

  /// For the volume's condition, and the log where it is news.
  private func note(_ outcome: RecoveryOutcome, of key: WorkerKey) {
    guard noteRecovery(outcome, of: key) else { return }
    let metadata: Logger.Metadata = ["volume": "\(key.volumeID)", "outcome": "\(outcome.sentence)"]
    if outcome.isRecovered {
      logger.notice("a mount was lost and made again", metadata: metadata)
    } else {
      logger.error("a mount was lost", metadata: metadata)
    }
  }

  private func published(by name: String) -> [TargetRecord] {
    records.targets(ofWorker: name).filter { $0.phase == .published }
  }

  /// The caller has the worker's turn.
  /// - Returns: nil where nothing was lost.
  private func recoverInTurn(_ key: WorkerKey, by deadline: Deadline) async throws(CSIError) -> RecoveryOutcome? {
    try await forgetPodsThatAreGone(key, by: deadline)
    let targets = published(by: key.name)
    guard let first = targets.first else { return nil }
    var shown: [[UInt32]] = []
    for target in targets { shown.append(try await connections(at: target, by: deadline)) }
    let status: WorkerStatus?
    do throws(MounterError) { status = try await mounter.status(of: key, by: deadline) } catch { throw CSIError(error) }
    if let status, shown.allSatisfy({ $0 == [status.connection] }), !status.isLost { return nil }
    let dead = await deadConnections(shown, at: targets, by: deadline)
    if let status, !status.isLost {
      if status.connection == 0 { throw .inProgress(what: "volume", name: key.volumeID) }
      note(status)
      try await bindAll(targets, to: status, by: deadline)
    } else {
      if targets.contains(where: { $0.needsSecrets == true }) { return .secretsLost }
      var request = try mountRequest(for: targets, like: first)
      let status: WorkerStatus
      do throws(MounterError) {
        _ = try await clearWorker(&request, by: deadline)
        status = try await mounter.ensureMounted(request, secrets: nil, by: deadline)
      } catch { throw CSIError(error) }
      note(status)
      try await bindAll(targets, to: status, by: deadline)
    }
    try? await registerUse(of: key.volumeID, by: deadline)
    workers.noteStale(dead.union(workers.stale(of: key.name)), of: key.name)
    return await verify(key.name, by: deadline)
  }

  /// A pod's folder that is gone, as after a restart of a node that keeps it in memory, has nobody who could use a mount
  /// in it. Its pod, should it come back, is published anew.
  private func forgetPodsThatAreGone(_ key: WorkerKey, by deadline: Deadline) async throws(CSIError) {
    for record in published(by: key.name) {
      let target = try NodeField.target(record.target, "target_path", paths)
      let isGone = try await NodeBlocking.run("look for \(target)", by: deadline) { [paths] () throws(TargetFault) in
        try TargetFolder.find(target, paths: paths) == nil
      }
      guard isGone, locks.tryAcquire(record.target, for: .repair) else { continue }
      defer { locks.release(record.target) }
      guard records[record.target]?.phase == .published else { continue }
      try await forget(record, by: deadline)
      logger.notice("forgot a target, its pod's folder is gone", metadata: ["target": "\(target)"])
    }
  }

  /// The connections of what is mounted at a target, the visible one last.
  private func connections(at record: TargetRecord, by deadline: Deadline) async throws(CSIError) -> [UInt32] {
    let target = try NodeField.target(record.target, "target_path", paths)
    return try await NodeBlocking.run("look for the mount at \(target)", by: deadline) {
      [paths] () throws(TargetFault) in
      guard let folder = try TargetFolder.find(target, paths: paths) else { return [] }
      return try TargetMount(path: folder.mountPath).connections()
    }
  }

  /// Those whose worker is gone; one that does not answer in time is slow, not dead.
  private func deadConnections(
    _ shown: [[UInt32]], at targets: [TargetRecord], by deadline: Deadline
  ) async -> Set<UInt32> {
    var dead: Set<UInt32> = []
    for (record, connections) in zip(targets, shown) {
      guard let top = connections.last, !dead.contains(top) else { continue }
      let path = record.target
      let patience = min(deadline, .after(configuration.statisticsPatience))
      let isDead = try? await NodeBlocking.run("look at \(path)", by: patience) { () throws(TargetFault) in
        DeadMount.isDead(path)
      }
      if isDead == true { dead.formUnion(connections) }
    }
    return dead
  }

  /// As the records have it; secrets are not in them.
  private func mountRequest(
    for targets: [TargetRecord], like record: TargetRecord
  ) throws(CSIError) -> MountRequest {
    let underFileSystem: UnderFileSystemURI
    do { underFileSystem = try UnderFileSystemURI(parsing: record.underFileSystem) } catch {
      throw .failed(step: "reading the record of \(record.target)", cause: "\(error)")
    }
    var objectStore: ObjectStoreRequest?
    do {
      objectStore = try record.objectStore.map { (store) throws(ObjectStoreAddress.ParseError) in
        widened(
          configuration.placing(
            try store.request(pageStore: configuration.pageStore), of: underFileSystem,
            isInline: record.isInline == true))
      }
    } catch {
      throw .failed(step: "reading the record of \(record.target)", cause: "\(error)")
    }
    var options = record.options.workerOptions
    options.readOnly = targets.allSatisfy(\.readOnly)
    options.capacityBytes = targets.compactMap(\.options.capacityBytes).max()
    let roots = record.isInline == true ? configuration.inlineFileRoots : configuration.fileRoots
    return MountRequest(
      key: record.workerKey, underFileSystem: underFileSystem, mountPoint: paths.mountPoint(record.workerKey),
      fileRoots: objectStore == nil ? roots : [], options: options, objectStore: objectStore)
  }

  /// Gives every target exactly one mount, the worker's. A target that a call works on is left to that call; the other
  /// ones go on when one fails.
  /// - Throws: what went wrong first.
  private func bindAll(
    _ targets: [TargetRecord], to worker: WorkerStatus, by deadline: Deadline
  ) async throws(CSIError) {
    var failure: CSIError?
    for record in targets where locks.tryAcquire(record.target, for: .repair) {
      defer { locks.release(record.target) }
      guard records[record.target]?.phase == .published else { continue }
      do throws(CSIError) {
        if try await connections(at: record, by: deadline) == [worker.connection] { continue }
        try await rebind(record, to: worker, by: deadline)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Looks at what containers see, where they can be seen.
  private func verify(_ name: String, by deadline: Deadline) async -> RecoveryOutcome {
    let stale = workers.stale(of: name)
    let users = try? await NodeBlocking.run("look for users of lost mounts", by: deadline) {
      [paths] () throws(TargetFault) in StaleMounts.users(of: stale, besides: paths.volumes)
    }
    guard let users, !users.isEmpty else {
      workers.noteStale([], of: name)
      return .recovered
    }
    return .stale(users)
  }

  /// Finds out whether pods that had to be restarted have been, for the volume's condition.
  package func lookForStaleUsers(of key: WorkerKey, by deadline: Deadline) async {
    if workers.stale(of: key.name).isEmpty { return }
    note(await verify(key.name, by: deadline), of: key)
  }
}

extension WorkerStatus {
  /// No worker can serve the mount any more.
  fileprivate var isLost: Bool { if case .failed = state { true } else { false } }
}
