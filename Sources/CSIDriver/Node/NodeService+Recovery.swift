internal import LinuxSystem
internal import Logging
internal import Mounter
internal import VolumeModel

/// What a starting plugin makes of what the one before it left: from records, the mount table and the mounter's list.
extension NodeService {
  /// Takes down every target whose publish nobody was told to have succeeded. What cannot be taken down keeps its record:
  /// the repeat of the publish and unpublish both find it.
  func takeDownHalfPublished() async {
    let deadline = Deadline.after(configuration.cleanupPatience)
    await withTaskGroup(of: Void.self) { group in
      for record in records.all where record.phase == .publishing {
        group.addTask { [self] in
          do throws(CSIError) {
            _ = try await takeDown(record, removingFolder: record.madeFolder, by: deadline)
            try await turns.holding(record.workerKey.name, until: deadline) { () async throws(CSIError) in
              try await forget(record, by: deadline)
            }
            logger.notice("took down a half published target", metadata: ["target": "\(record.target)"])
          } catch {
            logger.warning(
              "a half published target is left", metadata: ["target": "\(record.target)", "reason": "\(error.message)"])
          }
        }
      }
    }
  }

  /// Stops workers without any target: of a publish or an unpublish that was cut off. Does nothing while the mounter is
  /// away.
  func stopOrphans() async {
    let deadline = Deadline.after(configuration.cleanupPatience)
    let statuses: [WorkerStatus]
    do throws(MounterError) { statuses = try await mounter.list(by: deadline) } catch {
      workers.disconnected()
      logger.warning("the mounter does not answer yet", metadata: ["reason": "\(error)"])
      return
    }
    noteConnected(statuses)
    await adopt(statuses, by: deadline)
  }

  /// Keeps the conditions up to date, tidies up after the mounter was away, finds it again, and mounts again what was lost
  /// with it. Runs until its task is cancelled.
  package func followMounter() async {
    await withDiscardingTaskGroup { group in
      group.addTask { [self] in await reconnect() }
      group.addTask { [self] in await keepPageStore() }
      if let events { group.addTask { await events.run() } }
      if let reports { group.addTask { [self] in await reports.run(of: self) } }
      beginRecovery(in: &group)
      for await event in mounter.events {
        switch event {
        case .changed(let status): follow(status, in: &group)
        case .custodyRefused(let key, let reason):
          logger.warning(
            "the mounter cannot go on with a volume", metadata: ["volume": "\(key.volumeID)", "reason": "\(reason)"])
        case .disconnected:
          workers.disconnected()
          reports?.ring()
          group.addTask { [self] in await reconnect() }
        case .connected(let statuses):
          noteConnected(statuses)
          beginRecovery(in: &group)
          group.addTask { [self] in await adopt(statuses, by: .after(configuration.cleanupPatience)) }
        }
      }
      group.cancelAll()
    }
  }

  /// Asks until a mounter answers; where the plugin starts its own, asking does that. The connection is an event.
  private func reconnect() async {
    guard recoveries.begin(Self.connection) else { return }
    repeat {
      var pause = Duration.milliseconds(20)
      while !Task.isCancelled, (try? await mounter.list(by: .after(configuration.cleanupPatience))) == nil {
        guard (try? await Task.sleep(for: pause)) != nil else { break }
        pause = min(pause * 2, .milliseconds(500))
      }
    } while !recoveries.end(Self.connection) && !Task.isCancelled
  }

  /// Never the name of a worker, which is hexadecimal.
  private static let connection = "connection"

  private func follow(_ status: WorkerStatus, in group: inout DiscardingTaskGroup) {
    note(status)
    let volumeID = status.request.key.volumeID
    switch status.state {
    case .failed(let reason):
      logger.error("mount lost", metadata: ["volume": "\(volumeID)", "reason": "\(reason)"])
    case .interrupted(let reason):
      logger.warning("worker interrupted", metadata: ["volume": "\(volumeID)", "reason": "\(reason)"])
    case .starting, .ready, .stopping: break
    }
    group.addTask { [self] in try? await registerUse(of: volumeID, by: .after(configuration.cleanupPatience)) }
  }

  private func adopt(_ statuses: [WorkerStatus], by deadline: Deadline) async {
    for key in statuses.map(\.request.key) where records.targets(ofWorker: key.name).isEmpty {
      do throws(CSIError) {
        try await turns.holding(key.name, until: deadline) { () async throws(CSIError) in
          // A publish may have come in between.
          guard records.targets(ofWorker: key.name).isEmpty else { return }
          try await stopWorker(key, by: deadline)
          logger.notice("stopped a worker without targets", metadata: ["volume": "\(key.volumeID)"])
        }
      } catch {
        logger.warning("a worker is left", metadata: ["volume": "\(key.volumeID)", "reason": "\(error.message)"])
      }
    }
    await removeLeftovers(knowing: Set(statuses.map(\.request.key.name)), by: deadline)
  }

  /// Takes away mounts of workers that neither the mounter nor a record knows: those of a mounter that was killed.
  private func removeLeftovers(knowing names: Set<String>, by deadline: Deadline) async {
    guard let table = try? MountTable.read() else { return }
    let prefix = paths.volumes + "/"
    for mount in table.beneath(paths.volumes) where mount.type == TargetMount.fileSystemType {
      let name = String(mount.mountPoint.dropFirst(prefix.count).prefix { $0 != "/" })
      guard !names.contains(name), records.targets(ofWorker: name).isEmpty else { continue }
      do throws(CSIError) {
        try await turns.holding(name, until: deadline) { () async throws(CSIError) in
          // A publish may have come in between.
          guard records.targets(ofWorker: name).isEmpty else { return }
          try await removeWorkerFolder(prefix + name, by: deadline)
        }
      } catch {
        logger.warning("a mount is left", metadata: ["path": "\(mount.mountPoint)", "reason": "\(error.message)"])
      }
    }
  }
}
