import ObjectStore
import PageStore
import UnderFileSystem
import VolumeFileSystem
import VolumeModel

extension ObjectVolume {
  /// What the volume has counted since it began.
  /// - Parameter reads: of its `VolumeFileSystem`.
  func counters(_ reads: ReadStatistics) -> VolumeCounters {
    var counters = VolumeCounters()
    counters.hits = UInt64(clamping: reads.hits)
    counters.misses = UInt64(clamping: reads.misses)
    counters.bytesFromCache = UInt64(clamping: reads.bytesFromPageStore)
    counters.bytesFromUnderFileSystem = UInt64(clamping: reads.bytesFetched)
    counters.readAheadWaste = UInt64(clamping: reads.readAheadWasted)
    counters.openFiles = UInt64(clamping: reads.openFiles)
    counters.memoryInUse = UInt64(clamping: reads.memoryInUse)
    counters.memoryBudget = UInt64(clamping: reads.memoryBudget)
    counters.hiddenKeys = fileSystem.hiddenKeyCount
    if let pages {
      let status = pages.status
      counters.evictedPages = UInt64(clamping: pages.counts.evictions)
      counters.cachedBytes = UInt64(clamping: status.usedBytes)
      counters.cacheLimit = UInt64(clamping: status.limitBytes)
      counters.cacheProblem = status.problem
    }
    counters.requests = client.statistics.current.operations
      .map { VolumeCounters.Requests($0.manualName, $1) }.sorted { $0.kind < $1.kind }
    return counters
  }
}

extension VolumeCounters.Requests {
  fileprivate init(_ kind: String, _ counts: RequestCounts.Operation) {
    self.init(kind: kind)
    outcomes = counts.outcomes.sorted { $0.key < $1.key }.map { VolumeCounters.Outcome($0.key, $0.value) }
    medianMicroseconds = Self.microseconds(counts.latency.quantile(0.5))
    p99Microseconds = Self.microseconds(counts.latency.quantile(0.99))
    answered = counts.latency.count
    totalMicroseconds = counts.latency.totalMicroseconds
  }

  private static func microseconds(_ time: Duration?) -> UInt64 {
    guard let parts = time?.components else { return 0 }
    return UInt64(parts.seconds) * 1_000_000 + UInt64(parts.attoseconds / 1_000_000_000_000)
  }
}

extension ObjectOperation {
  /// As S3's manual calls it.
  fileprivate var manualName: String {
    switch self {
    case .headBucket: "HeadBucket"
    case .list: "ListObjectsV2"
    case .head: "HeadObject"
    case .get: "GetObject"
    case .put: "PutObject"
    case .copy: "CopyObject"
    case .delete: "DeleteObject"
    case .deleteBatch: "DeleteObjects"
    case .createUpload: "CreateMultipartUpload"
    case .uploadPart: "UploadPart"
    case .copyPart: "UploadPartCopy"
    case .completeUpload: "CompleteMultipartUpload"
    case .abortUpload: "AbortMultipartUpload"
    case .listUploads: "ListMultipartUploads"
    }
  }
}

extension PageStore.Status {
  /// Why it is not used at the moment; nil: it is.
  fileprivate var problem: String? {
    if let folderError { return "the folder cannot be used: \(folderError)" }
    guard let pause = writePause ?? readPause else { return nil }
    switch pause.reason {
    case .full: return "the disk is full"
    case .failing(let number): return "the disk answers with error \(number)"
    case .slow: return "the disk is slow"
    case .readOnly: return "the disk is read-only"
    }
  }
}
