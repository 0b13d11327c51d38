import Synchronization
import SystemPackage
import UnderFileSystem

/// How files are read whose bytes come over a network.
package struct ReadPolicy: Sendable {
  /// Bytes of memory that all files of a worker share; at least four pages are taken.
  package var memoryBudget: Int
  /// Without use, after which that memory goes back to the kernel.
  package var idleTime: Duration
  /// Where pages are kept; nil: nowhere.
  package var cache: (any PageCache)?

  /// Of a cache that is shared: how long bytes of a version show that it may be read.
  package var proofLifetime: Duration

  /// 16 MiB, with which a worker at full speed stays below 40 MB.
  package init(
    memoryBudget: Int = 16 << 20, idleTime: Duration = .seconds(10), cache: (any PageCache)? = nil,
    proofLifetime: Duration = .seconds(300)
  ) {
    self.memoryBudget = memoryBudget
    self.idleTime = idleTime
    self.cache = cache
    self.proofLifetime = proofLifetime
  }
}

/// What all ranged files of a volume share; made with the first of them.
final class FileReading: Sendable {
  struct Parts: Sendable {
    let pool: BufferPool
    let loans: PageLoans
    let cache: (any PageCache)?
    let counters: ReadCounters
    /// Nil where nobody else keeps pages in the cache.
    let proofs: ReadProofs?
    var limits = ReadAheadWindow.Limits()
    let filesAhead = FilesAhead()
  }

  private struct State {
    var parts: Parts?
    var isEnding = false
  }

  private let policy: ReadPolicy
  private let counters = ReadCounters()
  private let proofs: ReadProofs?
  private let state = Mutex(State())

  init(_ policy: ReadPolicy) {
    self.policy = policy
    proofs = policy.cache?.isShared == true ? ReadProofs(lifetime: policy.proofLifetime) : nil
  }

  deinit { end() }

  /// The file as it is read here.
  func cached(_ file: any RangedFile) throws(Errno) -> any OpenFile { CachingFile(file, try parts()) }

  private func parts() throws(Errno) -> Parts {
    try state.withLock { (state) throws(Errno) in
      if let parts = state.parts { return parts }
      let pageSize = policy.cache?.pageSize ?? 1 << 20
      let pool = try BufferPool(
        budget: policy.memoryBudget, pageSize: pageSize, idleTime: policy.idleTime, counters: counters)
      let parts = Parts(
        pool: pool, loans: PageLoans(limit: max(1, pool.budget / 4 / pageSize)), cache: policy.cache,
        counters: counters, proofs: proofs)
      if state.isEnding { pool.end() }
      state.parts = parts
      return parts
    }
  }

  /// Requests are signed by other credentials from now on.
  func credentialsChanged() { proofs?.removeAll() }

  var hasCache: Bool { policy.cache != nil }

  /// Reads that wait end, and those that come get what is here already: see ``VolumeFileSystem/endReads()``.
  func end() {
    let pool = state.withLock { state in
      state.isEnding = true
      return state.parts?.pool
    }
    pool?.end()
  }

  /// Gives memory that nobody uses back to the kernel now.
  func trim() { state.withLock { $0.parts }?.pool.trim() }

  var statistics: ReadStatistics {
    var values = counters.values
    if let pool = state.withLock({ $0.parts?.pool }) {
      let use = pool.use
      (values.memoryInUse, values.memoryPeak, values.memoryBudget) = (use.now, use.peak, pool.budget)
    }
    return values
  }
}
