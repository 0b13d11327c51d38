import Fuse
import Mounter
import Synchronization

/// Tries new secrets of a volume, one set after the other, on a thread that nothing else waits for. Of those that come while
/// one is tried only the last is.
final class SecretsTrial: Sendable {
  private struct State {
    var next: (secrets: VolumeSecrets, revision: UInt64)?
    var isRunning = false
  }

  private let state = Mutex(State())
  private let attempt: @Sendable (VolumeSecrets, UInt64) -> Void

  /// - Parameter attempt: tries them, and says how that went.
  init(_ attempt: @escaping @Sendable (VolumeSecrets, UInt64) -> Void) { self.attempt = attempt }

  /// Returns at once.
  func begin(_ secrets: VolumeSecrets, revision: UInt64) {
    let mustStart = state.withLock { state in
      state.next = (secrets, revision)
      defer { state.isRunning = true }
      return !state.isRunning
    }
    if mustStart { SessionThread.start { self.work() } }
  }

  private func work() {
    while let (secrets, revision) = next() { attempt(secrets, revision) }
  }

  private func next() -> (VolumeSecrets, UInt64)? {
    state.withLock { state in
      let next = state.next.take()
      if next == nil { state.isRunning = false }
      return next.map { ($0.secrets, $0.revision) }
    }
  }
}
