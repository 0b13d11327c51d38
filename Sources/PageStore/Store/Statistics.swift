import Synchronization

/// What a store has done since it was opened.
package struct PageStoreStatistics: Sendable, Hashable {
  /// Reads that were answered whole, in part, and not at all.
  package var hits = 0
  package var partialHits = 0
  package var misses = 0
  /// Bytes that came from the cache, and those that were asked for and did not.
  package var hitBytes: Int64 = 0
  package var missBytes: Int64 = 0
  /// Pages that were written, and their bytes.
  package var fills = 0
  package var fillBytes: Int64 = 0
  /// Fills that were not taken, and pages that were handed over and not written.
  package var refusedFills = 0
  package var droppedFills = 0
  package var evictions = 0
  /// Pages and files that were not right.
  package var badPages = 0
  package var foreignFiles = 0
}

/// The counters, each for itself.
final class Counters: Sendable {
  // Two lines of their own for what every read counts.
  private let hits = Atomic(0)
  private let hitBytes = Atomic<Int64>(0)
  private let others = Mutex(PageStoreStatistics())

  @inline(__always) func count(hit: Int, of wanted: Int) {
    if hit == wanted {
      hits.add(1, ordering: .relaxed)
      hitBytes.add(Int64(hit), ordering: .relaxed)
      return
    }
    others.withLock { others in
      if hit == 0 { others.misses += 1 } else { others.partialHits += 1 }
      others.hitBytes += Int64(hit)
      others.missBytes += Int64(wanted - hit)
    }
  }

  func add(_ counter: any WritableKeyPath<PageStoreStatistics, Int> & Sendable) {
    others.withLock { $0[keyPath: counter] += 1 }
  }

  func filled(bytes: Int) {
    others.withLock { others in
      others.fills += 1
      others.fillBytes += Int64(bytes)
    }
  }

  var now: PageStoreStatistics {
    var result = others.withLock { $0 }
    result.hits = hits.load(ordering: .relaxed)
    result.hitBytes += hitBytes.load(ordering: .relaxed)
    return result
  }
}
