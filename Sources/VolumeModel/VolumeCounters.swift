/// What a worker of an object-store volume has counted since it began, for the status of the volume. Sizes in bytes.
package struct VolumeCounters: Sendable, Hashable, Codable {
  /// Reads, in parts of at most a page, that memory or the page store answered, and those that waited for the store.
  package var hits: UInt64 = 0
  package var misses: UInt64 = 0
  package var bytesFromCache: UInt64 = 0
  package var bytesFromUnderFileSystem: UInt64 = 0
  /// Came before anybody asked for it, and nobody read it.
  package var readAheadWaste: UInt64 = 0
  package var evictedPages: UInt64 = 0
  /// In the page store now, and as many as may be.
  package var cachedBytes: UInt64 = 0
  package var cacheLimit: UInt64 = 0
  package var openFiles: UInt64 = 0
  /// Of the pool of read buffers.
  package var memoryInUse: UInt64 = 0
  package var memoryBudget: UInt64 = 0
  /// Keys and prefixes that cannot be names.
  package var hiddenKeys: UInt64 = 0
  /// In the order of their names.
  package var requests: [Requests] = []
  /// Why the page store is not used at the moment; nil: it is.
  package var cacheProblem: String?

  /// Attempts of one kind of request.
  package struct Requests: Sendable, Hashable, Codable {
    /// As the service's manual calls it: `GetObject`.
    package var kind: String
    /// Attempts by status, or by what came instead of an answer (`timeout`), in the order of their names.
    package var outcomes: [Outcome] = []
    /// Microseconds from the start to the end of attempts that were answered.
    package var medianMicroseconds: UInt64 = 0
    package var p99Microseconds: UInt64 = 0
    /// Attempts that were answered, and what they took together.
    package var answered: UInt64 = 0
    package var totalMicroseconds: UInt64 = 0

    package init(kind: String) { self.kind = kind }
  }

  /// So many attempts ended so.
  package struct Outcome: Sendable, Hashable, Codable {
    package var code: String
    package var count: UInt64

    package init(_ code: String, _ count: UInt64) {
      self.code = code
      self.count = count
    }
  }

  package init() {}
}
