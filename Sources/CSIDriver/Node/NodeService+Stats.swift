package import LinuxSystem
internal import Mounter
internal import SystemPackage
internal import VolumeModel

extension NodeService {
  /// NodeGetVolumeStats: how full the volume is and whether it works. A volume that does not answer has the figures of the
  /// last time, and a condition that says so.
  package func stats(_ request: NodeGetVolumeStatsRequest, by deadline: Deadline) async throws(CSIError)
    -> NodeVolumeStats
  {
    let record = try published(request.volumeID, at: request.volumePath)
    let condition = await currentCondition(of: record, by: deadline)
    let last = usage.last(record.volumeID)
    if !workers.serve([record.workerKey.name]) {
      return NodeVolumeStats(bytes: last?.bytes, inodes: last?.inodes, condition: condition)
    }
    do throws(CSIError) {
      let statistics = try await statistics(of: record, by: deadline)
      let bytes = NodeVolumeStats.Usage(
        available: statistics.availableBytes, total: statistics.totalBytes, used: statistics.usedBytes)
      let inodes = NodeVolumeStats.Usage(
        available: statistics.freeInodes, total: statistics.totalInodes, used: statistics.usedInodes)
      usage.note(record.volumeID, bytes: bytes, inodes: inodes)
      return NodeVolumeStats(bytes: bytes, inodes: inodes, condition: condition)
    } catch {
      if case .cancelled = error { throw error }
      // What is known to be wrong says more than that nothing is answered.
      let silence = VolumeCondition(
        abnormal: true, message: "the volume cannot be asked how full it is: \(error.message)")
      return NodeVolumeStats(
        bytes: last?.bytes, inodes: last?.inodes, condition: condition.abnormal ? condition : silence)
    }
  }

  /// NodeExpandVolume: the new size, in force at once for volumes whose size is shown and limited. Never shrinks.
  package func expand(_ request: NodeExpandVolumeRequest, by deadline: Deadline) async throws(CSIError) -> Int64 {
    let range = request.capacity ?? CapacityRange()
    try range.validate()
    let volumeID = try published(request.volumeID, at: request.volumePath).volumeID
    let current = Int64(clamping: records.targets(ofVolume: volumeID).compactMap(\.options.capacityBytes).max() ?? 0)
    let wanted = max(range.required, current)
    guard range.limit == 0 || wanted <= range.limit else {
      throw .outOfRange(problem: "the volume has \(current) bytes already and capacity_range allows \(range.limit)")
    }
    if wanted > current, current > 0 { try await setCapacity(UInt64(wanted), of: volumeID, by: deadline) }
    return wanted
  }

  private func setCapacity(_ capacity: UInt64, of volumeID: String, by deadline: Deadline) async throws(CSIError) {
    for key in Set(records.targets(ofVolume: volumeID).map(\.workerKey)) {
      try await turns.holding(key.name, until: deadline) { () async throws(CSIError) in
        for record in records.targets(ofWorker: key.name) {
          try await records.update(record.target, by: deadline) { $0.options.capacityBytes = capacity }
        }
        do throws(MounterError) {
          guard let status = try await mounter.status(of: key, by: deadline) else { return }
          var options = status.request.options
          options.capacityBytes = capacity
          note(try await mounter.updateOptions(options, of: key, by: deadline))
        } catch {
          throw CSIError(error)
        }
      }
    }
  }

  /// The record behind a volume and a path, before the path is looked at.
  /// - Throws: INVALID_ARGUMENT for empty fields, NOT_FOUND.
  private func published(_ volumeID: String, at path: String) throws(CSIError) -> TargetRecord {
    let volumeID = try NodeField.volumeID(volumeID)
    if path.isEmpty { throw .missingField("volume_path") }
    let targets = records.targets(ofVolume: volumeID)
    if targets.isEmpty { throw .notFound(what: "volume", name: volumeID, advice: "it is not published on this node") }
    let trimmed = path.utf8.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    guard let record = targets.first(where: { PathComponents.same($0.target, trimmed) }) else {
      throw .notFound(what: "volume path", name: path, advice: "volume \(volumeID) is not published there")
    }
    return record
  }

  /// What the mounter says now, else what it said last.
  private func currentCondition(of record: TargetRecord, by deadline: Deadline) async -> VolumeCondition {
    let patience = min(deadline, .after(configuration.statisticsPatience))
    if let status = try? await mounter.status(of: record.workerKey, by: patience) { note(status) }
    await lookForStaleUsers(of: record.workerKey, by: patience)
    return workers.condition(ofWorkers: [record.workerKey.name])
  }

  private func statistics(of record: TargetRecord, by deadline: Deadline) async throws(CSIError) -> FileSystemStatistics
  {
    let target = record.target
    guard usage.beginAsking(target) else {
      throw .deadlineExceeded(step: "it still has not answered an earlier question")
    }
    let patience = min(deadline, .after(configuration.statisticsPatience))
    let path = try NodeField.target(target, "volume_path", paths)
    return try await NodeBlocking.run("asking the file system at \(target)", by: patience) {
      [paths, usage] () throws(TargetFault) in
      defer { usage.endAsking(target) }
      guard let folder = try TargetFolder.find(path, paths: paths),
        case .volume = try TargetMount(path: folder.mountPath).content()
      else { throw .system(.socketNotConnected, step: "find the mount at \(target)") }
      do throws(Errno) { return try FileSystemStatistics(at: folder.mountPath) } catch {
        throw .system(error, step: "statfs \(target)")
      }
    }
  }
}

extension NodeService: PublishedVolumes {
  package func publication(of volumeID: String) -> NodePublication? {
    let targets = records.targets(ofVolume: volumeID)
    if targets.isEmpty { return nil }
    let condition = workers.condition(ofWorkers: Set(targets.map(\.workerKey.name)).sorted())
    return NodePublication(nodeID: configuration.nodeID, condition: condition)
  }
}
