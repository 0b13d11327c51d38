package import LinuxSystem
package import VolumeModel

/// The mounts of this node, as the node service sees them: one FUSE mount and one worker for each worker key.
///
/// No call outlives its deadline, whatever state the mounter, its workers or their under file systems are in. Calls for
/// different keys do not wait for each other; calls for one key are taken in the order in which they arrive.
package protocol VolumeMounter: Sendable {
  /// Mounts the volume and starts its worker, or finds both in place, and returns when the worker serves.
  ///
  /// The same key with the same request returns what there is. The first call's secrets are handed to the worker; where the
  /// volume is mounted already they replace the worker's, as ``refreshSecrets(_:of:by:)`` does. What a failed call began is
  /// undone before it throws.
  func ensureMounted(
    _ request: MountRequest, secrets: VolumeSecrets?, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus

  /// Ends the worker, unmounts and removes the mount point. Succeeds where nothing is mounted.
  /// - Parameter abandoningUsers: the caller's word that no bind mount of this volume is left. Processes that still hold the
  ///   mount lose it. Without it they make the call fail with ``MounterError/busy(key:holders:)``.
  func unmount(_ key: WorkerKey, abandoningUsers: Bool, by deadline: Deadline) async throws(MounterError)

  /// Nil where the mounter does not know the key.
  func status(of key: WorkerKey, by deadline: Deadline) async throws(MounterError) -> WorkerStatus?

  /// Every volume of the mounter, in no particular order.
  func list(by deadline: Deadline) async throws(MounterError) -> [WorkerStatus]

  /// Hands new secrets to a running worker. Throws ``MounterError/notMounted(_:)`` for a key that is not mounted.
  func refreshSecrets(_ secrets: VolumeSecrets, of key: WorkerKey, by deadline: Deadline) async throws(MounterError)

  /// Changes a running worker's options, as a volume's expansion does, and what the mounter compares requests with.
  func updateOptions(
    _ options: WorkerOptions, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus

  /// The memfd by which a worker for an object store is told what it may keep on disk (PageStore's `CacheAccount`); nil
  /// where it has none, or no copy of it has come yet. Asks nobody.
  func cacheAccount(of key: WorkerKey) -> SharedDescriptor?

  /// Where the volume's pages lie together with those of other volumes; nil where they do not, or no copy of the volume has
  /// come yet. Asks nobody.
  func sharedPages(of key: WorkerKey) -> SharedPages?

  /// What happens to volumes without a call. One consumer; nothing is kept from before it starts to listen.
  var events: AsyncStream<MounterEvent> { get }
}

extension VolumeMounter {
  package func cacheAccount(of key: WorkerKey) -> SharedDescriptor? { nil }
  package func sharedPages(of key: WorkerKey) -> SharedPages? { nil }
}

/// What a mounter reports by itself.
package enum MounterEvent: Sendable, Hashable {
  /// A volume's state changed: its worker became ready, exited, or began to stop. A volume that is gone is not reported
  /// here, its ``VolumeMounter/unmount(_:abandoningUsers:by:)`` returns.
  case changed(WorkerStatus)
  /// The connection to the mounter is lost; workers go on serving. It is made again with the next call.
  case disconnected
  /// What this process had kept of a volume is of no use to the mounter that it is connected to now, and is dropped.
  case custodyRefused(WorkerKey, reason: String)
  /// A connection was made. What happened in between is in the list.
  case connected([WorkerStatus])
}
