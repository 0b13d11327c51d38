internal import LinuxSystem
internal import Logging
internal import Mounter
internal import PageStore
internal import SystemPackage
internal import VolumeModel

/// The node's page store is kept within its budget: what each worker may keep, and what is kept for volumes that are not
/// mounted now.
extension NodeService {
  private static let pause = Duration.seconds(10)

  /// Divides the page store again and again, until the task is cancelled.
  func keepPageStore() async {
    while !Task.isCancelled {
      await dividePageStore()
      guard (try? await Task.sleep(for: Self.pause)) != nil else { return }
    }
  }

  /// Divides the page store once. What fails is in the log and tried again the next time.
  package func dividePageStore() async {
    let deadline = Deadline.after(configuration.recoveryPatience)
    do throws(CSIError) {
      let workers = workersWithPages()
      let division = try await NodeBlocking.run("look at the page store", by: deadline) {
        [pageStore] () throws(TargetFault) in
        do throws(Errno) { return try pageStore.divide(among: workers) } catch {
          throw .system(error, step: "look at the page store \(pageStore.folders.path)")
        }
      }
      for worker in workers {
        guard let allowance = division.allowances[worker.name] else { continue }
        for account in worker.accounts { account.allow(allowance) }
      }
      for (name, limit) in division.excesses {
        logger.warning(
          "a worker keeps more pages than it may", metadata: ["worker": "\(name)", "limit": "\(limit)"])
        try await shrink(name, to: limit, by: deadline)
      }
      for (name, limit) in division.shrinking { await shrinkIdle(name, to: limit, by: deadline) }
    } catch {
      warn(error)
    }
  }

  /// One that fails keeps no other from shrinking.
  private func shrinkIdle(_ name: String, to limit: Int64, by deadline: Deadline) async {
    do throws(CSIError) {
      try await turns.holding(name, until: deadline) { () async throws(CSIError) in
        // A publish may have come in between. Of a folder that volumes share it finds less, or nothing.
        guard records.targets(ofWorker: name).isEmpty else { return }
        try await shrink(name, to: limit, by: deadline)
        pageStore.forget(name)
      }
    } catch {
      warn(error)
    }
  }

  private func warn(_ error: CSIError) {
    logger.warning("the page store is not kept within its budget", metadata: ["reason": "\(error.message)"])
  }

  private func workersWithPages() -> [NodePageStore.Worker] {
    var quotas: [WorkerKey: UInt64] = [:]
    for record in records.all {
      if let store = record.objectStore { quotas[record.workerKey] = store.pageStoreBytes }
    }
    var workers: [String: NodePageStore.Worker] = [:]
    for (key, quota) in quotas {
      let name = mounter.sharedPages(of: key)?.name ?? key.name
      var worker = workers[name] ?? NodePageStore.Worker(name: name, quota: 0, accounts: [])
      worker.quota = max(worker.quota, quota)
      // One that could shrink, or is too small, is not the mounter's.
      if let account = mounter.cacheAccount(of: key).flatMap({ try? CacheAccount($0.descriptor) }) {
        worker.accounts.append(account)
      } else {
        worker.haveAllAccounts = false
      }
      workers[name] = worker
    }
    return Array(workers.values)
  }

  private func shrink(_ name: String, to limit: Int64, by deadline: Deadline) async throws(CSIError) {
    try await NodeBlocking.run("empty the page folder \(name)", by: deadline) { [pageStore] () throws(TargetFault) in
      do throws(Errno) {
        if limit > 0 { try pageStore.folders.shrink(name, to: limit) } else { try pageStore.folders.remove(name) }
      } catch {
        throw .system(error, step: "empty the page folder \(name)")
      }
    }
  }
}
