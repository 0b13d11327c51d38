import Synchronization
import ObjectStore

/// Parts of an upload as they come, from any thread, and the first failure.
final class PartList: Sendable {
  private let state = Mutex<(tags: [Int: EntityTag], failure: BucketError?)>(([:], nil))

  func add(_ number: Int, _ tag: EntityTag) { state.withLock { $0.tags[number] = tag } }

  func fail(_ error: BucketError) { state.withLock { if $0.failure == nil { $0.failure = error } } }

  var failure: BucketError? { state.withLock { $0.failure } }

  /// By number.
  var sorted: [(number: Int, tag: EntityTag)] {
    state.withLock { $0.tags }.sorted { $0.key < $1.key }.map { (number: $0.key, tag: $0.value) }
  }
}
