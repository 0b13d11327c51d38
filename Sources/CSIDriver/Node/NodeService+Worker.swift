internal import LinuxSystem
internal import Logging
internal import Mounter
internal import SystemPackage
internal import VolumeModel

/// The worker of a key. The caller has its turn.
extension NodeService {
  /// Starts the worker, or finds it, with options that suit all its targets.
  ///
  /// A mount that is lost is replaced: no worker can serve it again. Its other targets are bound again, so that they do not
  /// stay corpses. A worker that is only being started again is waited for.
  func startWorker(for plan: PublishPlan, by deadline: Deadline) async throws(CSIError) -> WorkerStatus {
    var request = mountRequest(for: plan)
    do throws(MounterError) {
      let replaced = try await clearWorker(&request, by: deadline)
      let status = try await mounter.ensureMounted(request, secrets: plan.secrets, by: deadline)
      note(status)
      if replaced {
        noteRecovery(nil, of: plan.key)
        await bindSiblings(of: plan, to: status, by: deadline)
      }
      return status
    } catch {
      throw CSIError(error)
    }
  }

  /// The worker refuses writes only when every target is read-only; a capacity that was expanded stays so.
  private func mountRequest(for plan: PublishPlan) -> MountRequest {
    let targets = records.targets(ofWorker: plan.key.name)
    var options = plan.options
    options.readOnly = plan.readOnly && targets.allSatisfy(\.readOnly)
    if let capacity = options.capacityBytes {
      options.capacityBytes = targets.compactMap(\.options.capacityBytes).max().map { max($0, capacity) } ?? capacity
    }
    return MountRequest(
      key: plan.key, underFileSystem: plan.underFileSystem, mountPoint: paths.mountPoint(plan.key),
      fileRoots: plan.fileRoots, options: options, objectStore: plan.objectStore.map(widened))
  }

  /// Of volumes that share their pages the largest `pageStoreSize` counts for all.
  func widened(_ store: ObjectStoreRequest) -> ObjectStoreRequest {
    guard let shared = store.sharedPages else { return store }
    var store = store
    for record in records.all {
      guard let other = record.objectStore, let path = try? UnderFileSystemURI(parsing: record.underFileSystem),
        let request = try? other.request(pageStore: configuration.pageStore)
      else { continue }
      let placed = configuration.placing(request, of: path, isInline: record.isInline == true)
      if placed.sharedPages == shared { store.pageStoreBytes = max(store.pageStoreBytes, placed.pageStoreBytes) }
    }
    return store
  }

  /// Makes way for the request: a lost mount is taken away, a read-only one learns that somebody will write. A volume that
  /// is mounted keeps the page store that it has, should the plugin's flags say another by now.
  /// - Returns: whether a worker was taken away.
  func clearWorker(_ request: inout MountRequest, by deadline: Deadline) async throws(MounterError) -> Bool {
    guard let status = try await mounter.status(of: request.key, by: deadline) else {
      return try await removeLeftoverMount(request, by: deadline)
    }
    if case .failed(let reason) = status.state {
      logger.notice("replacing a mount", metadata: ["volume": "\(request.key.volumeID)", "reason": "\(reason)"])
      try await mounter.unmount(request.key, abandoningUsers: true, by: deadline)
      return true
    }
    if let store = status.request.objectStore {
      request.objectStore?.pageStore = store.pageStore
      request.objectStore?.pageStoreBytes = store.pageStoreBytes
      request.objectStore?.sharedPages = store.sharedPages
    }
    var options = status.request.options
    options.readOnly = request.options.readOnly
    options.capacityBytes = request.options.capacityBytes
    if options != status.request.options {
      note(try await mounter.updateOptions(options, of: request.key, by: deadline))
    }
    return false
  }

  /// A mount that the mounter does not know is one of a mounter that is gone: a new one must not be stacked on it.
  private func removeLeftoverMount(_ request: MountRequest, by deadline: Deadline) async throws(MounterError) -> Bool {
    let mount = TargetMount(path: request.mountPoint)
    do throws(CSIError) {
      return try await NodeBlocking.run("unmount \(mount.path)", by: deadline) { () throws(TargetFault) in
        if try mount.content() == .nothing { return false }
        _ = try mount.unmountAll()
        return true
      }
    } catch .deadlineExceeded(let step) {
      throw .deadline(step: step)
    } catch {
      throw .workerFailed(reason: error.message, output: [])
    }
  }

  /// Binds the other targets of a replaced worker to the new one. Those that a call works on are left to that call.
  private func bindSiblings(of plan: PublishPlan, to worker: WorkerStatus, by deadline: Deadline) async {
    let siblings = records.targets(ofWorker: plan.key.name).filter {
      !PathComponents.same($0.target, plan.target.path) && $0.phase == .published
    }
    for sibling in siblings {
      do throws(CSIError) {
        try await locks.holding(sibling.target, for: .repair) { () async throws(CSIError) in
          guard records[sibling.target] != nil else { return }
          try await rebind(sibling, to: worker, by: deadline)
        }
      } catch {
        logger.warning(
          "a target stays broken", metadata: ["target": "\(sibling.target)", "reason": "\(error.message)"])
      }
    }
  }

  /// Mounts the worker's file system at the target as well, and checks that it is there.
  /// - Returns: for the record's `ownGroupConnection`.
  func bind(
    _ target: TargetPath, to worker: WorkerStatus, readOnly: Bool, noExec: Bool, by deadline: Deadline
  ) async throws(CSIError) -> UInt32? {
    let bind = TargetMount.Bind(
      source: worker.request.mountPoint, connection: worker.connection, readOnly: readOnly, noExec: noExec)
    let cleanUp: @Sendable (Bool) -> Void = { [self] _ in removeLateBind(at: target) }
    let hasOwnGroup = try await NodeBlocking.run("mount the volume at \(target)", by: deadline, whenLate: cleanUp) {
      [paths] () throws(TargetFault) in
      let folder = try TargetFolder(target, paths: paths)
      let (directory, guarded) = try folder.make()
      return try TargetMount(path: folder.mountPath).bind(bind, on: directory.descriptor, guarded: guarded)
    }
    return hasOwnGroup ? worker.connection : nil
  }

  /// A bind came through that nobody waited for any more. Unless the target has been taken up again meanwhile, whose call
  /// then finds it, it is taken away. Blocks; runs on the bind's own thread.
  private func removeLateBind(at target: TargetPath) {
    locks.holdingIfFree(target.path, for: .repair) {
      guard records[target.path] == nil, let folder = try? TargetFolder.find(target, paths: paths) else { return }
      _ = try? TargetMount(path: folder.mountPath).unmountAll()
      try? folder.remove(known: true)
    }
  }

  /// Ends the worker and its mount; also a mount that the mounter does not know of.
  func stopWorker(_ key: WorkerKey, by deadline: Deadline) async throws(CSIError) {
    warming?.stop(key)
    do throws(MounterError) { try await mounter.unmount(key, abandoningUsers: true, by: deadline) } catch {
      throw CSIError(error)
    }
    workers.forget(key)
    try await removeWorkerFolder(paths.worker(key), by: deadline)
  }

  /// Takes away what is left of a worker that nobody has any more: nothing, as a rule.
  func removeWorkerFolder(_ folder: String, by deadline: Deadline) async throws(CSIError) {
    try await NodeBlocking.run("remove \(folder)", by: deadline) { () throws(TargetFault) in
      let mountPoint = "\(folder)/mount"
      _ = try TargetMount(path: mountPoint).unmountAll()
      do throws(Errno) {
        let parent = try Descriptor.reach(folder)
        do throws(Errno) {
          _ = try InodeFlags.setImmutable(false, on: try parent.open(at: "mount", 0))
          try parent.removeDirectory("mount")
        } catch .noSuchFileOrDirectory {}
        try Folder.removeEmpty(folder)
      } catch .noSuchFileOrDirectory {
        return
      } catch {
        throw .system(error, step: "remove \(folder)")
      }
    }
  }

  /// After the last target that could write is gone, the worker refuses writes as well. The binds refuse them anyway, so a
  /// failure here is no failure of the call.
  func restrictWorker(_ key: WorkerKey, to targets: [TargetRecord], by deadline: Deadline) async {
    guard targets.allSatisfy(\.readOnly), let status = try? await mounter.status(of: key, by: deadline),
      !status.request.options.readOnly, status.state == .ready
    else { return }
    var options = status.request.options
    options.readOnly = true
    do throws(MounterError) { note(try await mounter.updateOptions(options, of: key, by: deadline)) } catch {
      logger.warning("the worker stays writable", metadata: ["volume": "\(key.volumeID)", "reason": "\(error)"])
    }
  }
}
