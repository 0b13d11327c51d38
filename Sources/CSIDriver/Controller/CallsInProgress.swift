internal import Synchronization
internal import VolumeModel

/// One call at a time for each thing: the second one is refused with ABORTED, as the specification asks ("Concurrency").
package final class CallsInProgress: Sendable {
  private let what: String
  private let names = Mutex<Set<ByteKey>>([])

  /// - Parameter what: "volume" or "target", for the error.
  package init(of what: String) { self.what = what }

  /// Runs `body` unless a call for `name` is running.
  package func holding<Value: Sendable>(
    _ name: String, _ body: () async throws(CSIError) -> Value
  ) async throws(CSIError) -> Value {
    let key = ByteKey(name)
    guard names.withLock({ $0.insert(key).inserted }) else { throw .inProgress(what: what, name: name) }
    defer { _ = names.withLock { $0.remove(key) } }
    return try await body()
  }
}
