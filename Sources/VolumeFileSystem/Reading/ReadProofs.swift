import LinuxSystem
import Synchronization
import UnderFileSystem

/// Which versions of files this worker has shown that it may read, where pages are shared with workers that have other
/// credentials. What shows it is bytes of that version, sent in answer to a request that its own credentials signed: neither
/// a listing nor the attributes do, since the right to list is not the right to read, nor is a HEAD a proof where the key that
/// an object is encrypted with has rights of its own.
final class ReadProofs: Sendable {
  /// Versions that are remembered; others show it once more.
  static let maximum = 65_536

  /// A request before it is answered.
  struct Question: Sendable {
    fileprivate var moment: Deadline
    fileprivate var credentials: Int
  }

  private let lifetime: Duration
  private let state = Mutex((ends: [ContentVersion: Deadline](), credentials: 0))

  /// - Parameter lifetime: after which it is to be shown again.
  init(lifetime: Duration) { self.lifetime = lifetime }

  /// Whether bytes of the version came not too long ago.
  func hold(_ version: ContentVersion) -> Bool {
    state.withLock { state in
      guard let end = state.ends[version] else { return false }
      if !end.hasPassed { return true }
      state.ends[version] = nil
      return false
    }
  }

  /// Before bytes are asked for.
  func question() -> Question { Question(moment: .now, credentials: state.withLock { $0.credentials }) }

  /// Bytes of the version have come in answer.
  func add(_ version: ContentVersion, answering question: Question) {
    state.withLock { state in
      guard question.credentials == state.credentials else { return }
      if state.ends.count >= Self.maximum, state.ends[version] == nil {
        state.ends = state.ends.filter { !$0.value.hasPassed }
        if state.ends.count >= Self.maximum { state.ends.removeAll() }
      }
      state.ends[version] = question.moment.advanced(by: lifetime)
    }
  }

  /// The under file system has refused it.
  func remove(_ version: ContentVersion) { state.withLock { $0.ends[version] = nil } }

  /// Other credentials have shown nothing yet, whatever those before are still answered.
  func removeAll() {
    state.withLock { state in
      state.ends.removeAll()
      state.credentials += 1
    }
  }
}
