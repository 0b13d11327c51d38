package import LinuxSystem
package import Logging
package import Mounter
internal import VolumeModel

/// CSI's Node service: one FUSE worker per worker key, bind-mounted at every target (DESIGN section 5).
///
/// Three things hold its state together: a target's lock, which one call has at a time; a worker's turn, which publishes of
/// one volume wait for in line; and the records, which are written before anything is mounted and removed after all of it
/// is gone, so that a plugin killed anywhere leaves a record of what it has to take down.
///
/// A call takes the target's lock first and waits for the worker's turn second. Whoever has a turn may try other targets'
/// locks, which never wait, so that nobody waits for who waits for him.
package final class NodeService: Sendable {
  package let configuration: NodeConfiguration
  let mounter: any VolumeMounter
  let records: TargetRecordStore
  /// Shared with the controller, where there is one: which node uses which volume.
  let registry: (any VolumeRegistry)?
  /// nil: nobody loads volumes ahead.
  let warming: (any VolumeWarming)?
  /// nil: nobody is told of what happens to volumes.
  let events: VolumeEvents?
  /// nil: the cluster does not hear how volumes are on this node.
  let reports: NodeReports?
  let locks = TargetLockTable()
  let turns = WorkerTurns()
  let workers = WorkerStates()
  let usage = LastUsage()
  let pageStore: NodePageStore
  let recoveries = RecoveriesInProgress()
  let logger: Logger

  private init(
    configuration: NodeConfiguration, mounter: any VolumeMounter, records: TargetRecordStore,
    registry: (any VolumeRegistry)?, warming: (any VolumeWarming)?, events: VolumeEvents?, reports: NodeReports?,
    logger: Logger
  ) {
    self.configuration = configuration
    self.events = events
    self.reports = reports
    self.warming = warming
    pageStore = NodePageStore(path: configuration.pageStore, budget: configuration.pageStoreBytes)
    self.mounter = mounter
    self.records = records
    self.registry = registry
    self.logger = logger
  }

  var paths: NodePaths { configuration.paths }

  /// Reads the records of the plugin before this one and takes down what it left half done. Returns also while the mounter
  /// is away; what needs it is done when it comes back, see `followMounter()`.
  /// - Throws: what is wrong with the state folder.
  package static func start(
    configuration: NodeConfiguration, mounter: any VolumeMounter, registry: (any VolumeRegistry)? = nil,
    warming: (any VolumeWarming)? = nil, events: VolumeEvents? = nil, reports: NodeReports? = nil, logger: Logger
  ) async throws(CSIError) -> NodeService {
    let patience = Deadline.after(configuration.defaultPatience)
    let maximumVolumes = configuration.maximumVolumes
    let paths = configuration.paths
    let opened = try await NodeBlocking.run("read the records in \(paths.targets)", by: patience) {
      () throws(TargetFault) in try TargetRecordStore.open(paths: paths, maximumVolumes: maximumVolumes)
    }
    for file in opened.unreadable {
      logger.error("not a record, left alone", metadata: ["file": "\(file.file)", "reason": "\(file.reason)"])
    }
    let service = NodeService(
      configuration: configuration, mounter: mounter, records: opened.store, registry: registry, warming: warming,
      events: events, reports: reports, logger: logger)
    await service.warnOfUnsharedFolders()
    await service.takeDownHalfPublished()
    await service.stopOrphans()
    return service
  }

  /// Not an error: on a workstation without containers everybody is in the same mount namespace.
  private func warnOfUnsharedFolders() async {
    let paths = paths
    let unshared = try? await NodeBlocking.run(
      "look at the folders' mounts", by: .after(configuration.statisticsPatience)
    ) { () throws(TargetFault) in try SharedMounts.unsharedFolders(paths) }
    guard let unshared, !unshared.isEmpty else { return }
    logger.warning(
      """
      volumes may not reach pods, since their folders are not on a shared mount: in a container, give the hostPath \
      volume of each folder mountPropagation: Bidirectional
      """, metadata: ["folders": "\(unshared.joined(separator: ", "))"])
  }

  /// Whether the plugin itself can serve, for Probe: the state folder is writable. Never asks the mounter.
  package func checkReady(by deadline: Deadline) async throws(CSIError) { try await records.check(by: deadline) }

  /// What `NodeGetInfo` answers: who and how many.
  package var info: (nodeID: String, maximumVolumes: Int64) {
    (configuration.nodeID, Int64(configuration.maximumVolumes))
  }
}
