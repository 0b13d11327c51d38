internal import Synchronization

/// What a session has done so far.
final class SessionProgress: Sendable {
  private let answers = Atomic<UInt64>(0)
  private let onFirst = Mutex<(@Sendable () -> Void)?>(nil)

  /// Calls `body` once, on the thread that answers the first request. To be set before the session starts.
  func whenFirstAnswered(_ body: @escaping @Sendable () -> Void) { onFirst.withLock { $0 = body } }

  /// A request was answered, with a result or an error.
  func answered() {
    guard answers.wrappingAdd(1, ordering: .relaxed).oldValue == 0 else { return }
    onFirst.withLock { $0.take() }?()
  }
}
