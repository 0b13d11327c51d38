import Synchronization

/// What the reads of a worker's ranged files did since it began. Counts, and sizes in bytes.
package struct ReadStatistics: Sendable, Hashable {
  /// Parts of reads (at most a page each) that were in memory or in the page store.
  package var hits = 0
  /// Those that waited for the under file system.
  package var misses = 0
  package var bytesFromMemory = 0
  package var bytesFromPageStore = 0
  /// Bytes that came from the under file system.
  package var bytesFetched = 0
  package var fetches = 0
  package var failedFetches = 0
  package var cancelledFetches = 0
  /// Bytes that came before anybody asked for them, and that nobody read or keeps.
  package var readAheadWasted = 0
  /// Reads that waited for room in the pool.
  package var roomWaits = 0
  /// Pages that were handed to the page store, and those that it or its queue had no room for.
  package var pagesFilled = 0
  package var fillsRefused = 0
  /// Of the pool: bytes given out now, at most, and as many as there may be.
  package var memoryInUse = 0
  package var memoryPeak = 0
  package var memoryBudget = 0
  package var openFiles = 0
}

/// The same as they are counted, by any thread.
final class ReadCounters: Sendable {
  let hits = Atomic(0)
  let misses = Atomic(0)
  let bytesFromMemory = Atomic(0)
  let bytesFromPageStore = Atomic(0)
  let bytesFetched = Atomic(0)
  let fetches = Atomic(0)
  let failedFetches = Atomic(0)
  let cancelledFetches = Atomic(0)
  let readAheadWasted = Atomic(0)
  let roomWaits = Atomic(0)
  let pagesFilled = Atomic(0)
  let fillsRefused = Atomic(0)
  let openFiles = Atomic(0)

  var values: ReadStatistics {
    ReadStatistics(
      hits: hits.value, misses: misses.value, bytesFromMemory: bytesFromMemory.value,
      bytesFromPageStore: bytesFromPageStore.value, bytesFetched: bytesFetched.value, fetches: fetches.value,
      failedFetches: failedFetches.value, cancelledFetches: cancelledFetches.value,
      readAheadWasted: readAheadWasted.value, roomWaits: roomWaits.value, pagesFilled: pagesFilled.value,
      fillsRefused: fillsRefused.value, openFiles: openFiles.value)
  }
}

extension Atomic<Int> {
  borrowing func count(_ more: Int = 1) { add(more, ordering: .relaxed) }
  var value: Int { borrowing get { load(ordering: .relaxed) } }
}
