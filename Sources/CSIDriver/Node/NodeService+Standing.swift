internal import LinuxSystem
internal import Mounter
internal import SystemPackage
internal import VolumeModel

/// What a publish finds at its target.
enum TargetStanding: Sendable, Hashable {
  /// Published as asked for, and the mount answers or is only slow.
  case whole
  /// Published as asked for, but the mount is dead, gone or another worker's.
  case broken
  /// Nothing is published there.
  case absent
}

extension NodeService {
  /// - Throws: ALREADY_EXISTS when something else is published at the target, FAILED_PRECONDITION when something else is
  ///   mounted over it.
  func standing(of plan: PublishPlan, by deadline: Deadline) async throws(CSIError) -> TargetStanding {
    guard let record = records[plan.target.path] else { return .absent }
    if record.phase == .publishing {
      // A failed publish that could not be cleaned up.
      try await turns.holding(record.workerKey.name, until: deadline) { () async throws(CSIError) in
        _ = try await takeDown(record, removingFolder: record.madeFolder, by: deadline)
        try await forget(record, by: deadline)
      }
      return .absent
    }
    guard PathComponents.same(record.volumeID, plan.volumeID), record.fingerprint == plan.fingerprint else {
      let wanted = TargetRecord(plan, madeFolder: record.madeFolder)
      throw .incompatibleRepeat(
        what: "target", name: record.target, difference: PublishedTargets.difference(record, wanted))
    }
    switch try await mountContent(plan.target, by: deadline) {
    case .nothing: return .broken
    case .foreign(let path, let type): throw CSIError(TargetFault.foreignMount(path: path, type: type))
    case .volume(let connection): return await isAlive(plan, connection: connection, by: deadline) ? .whole : .broken
    }
  }

  /// Whether a mounted target is served. The mounter knows; where it is away or knows nothing, the mount itself is asked.
  /// A mount that does not answer in time is slow, not dead: repairing it would take it from the pod.
  private func isAlive(_ plan: PublishPlan, connection: UInt32, by deadline: Deadline) async -> Bool {
    let patience = min(deadline, .after(configuration.statisticsPatience))
    if let status = try? await mounter.status(of: plan.key, by: patience) {
      note(status)
      if case .failed = status.state { return false }
      return status.connection == connection
    }
    let path = plan.target.path
    let isDead = try? await NodeBlocking.run("look at \(path)", by: patience) { () throws(TargetFault) in
      DeadMount.isDead(path)
    }
    return isDead != true
  }

  private enum Seen: Sendable {
    case nothing
    case foreign(path: String, type: String)
    case volume(connection: UInt32)
  }

  private func mountContent(_ target: TargetPath, by deadline: Deadline) async throws(CSIError) -> Seen {
    try await NodeBlocking.run("look for the mount at \(target)", by: deadline) { [paths] () throws(TargetFault) in
      guard let folder = try TargetFolder.find(target, paths: paths) else { return .nothing }
      switch try TargetMount(path: folder.mountPath).content() {
      case .nothing: return .nothing
      case .foreign(let type): return .foreign(path: folder.mountPath, type: type)
      case .volume(let connection, _): return .volume(connection: connection)
      }
    }
  }

  /// Makes sure that a new target is free: nothing of ours is left there, and nothing of others'.
  /// - Returns: whether the plugin will have to make the directory.
  func clearTarget(_ plan: PublishPlan, by deadline: Deadline) async throws(CSIError) -> Bool {
    let target = plan.target
    return try await NodeBlocking.run("look at \(target)", by: deadline) { [paths] () throws(TargetFault) in
      let folder = try TargetFolder(target, paths: paths)
      try TargetMount(path: folder.mountPath).removeLeftover(volumes: paths.volumes, orElse: .refuse)
      return try folder.checkUsable() == .absent
    }
  }
}

/// Whether a FUSE mount has lost its process for good.
enum DeadMount {
  /// Asks the file system, so it may hang: run it with a deadline.
  static func isDead(_ path: String) -> Bool {
    do throws(Errno) {
      _ = try FileSystemStatistics(at: path)
      return false
    } catch {
      return error == .socketNotConnected || error == .connectionAbort
    }
  }
}
