internal import Synchronization

/// What a session has done so far, and what it is at.
final class SessionProgress: Sendable {
  private let answers = Atomic<UInt64>(0)
  private let onFirst = Mutex<(@Sendable () -> Void)?>(nil)
  private let clocks = Mutex<[RequestClock]>([])

  /// Calls `body` once, on the thread that answers the first request. To be set before the session starts.
  func whenFirstAnswered(_ body: @escaping @Sendable () -> Void) { onFirst.withLock { $0 = body } }

  /// A request was answered, with a result or an error.
  func answered() {
    guard answers.wrappingAdd(1, ordering: .relaxed).oldValue == 0 else { return }
    onFirst.withLock { $0.take() }?()
  }

  /// The clock of a new reader.
  func makeClock() -> RequestClock {
    let clock = RequestClock()
    clocks.withLock { clocks in
      clocks.removeAll(where: \.hasEnded)
      clocks.append(clock)
    }
    return clock
  }

  /// Requests answered, those that are worked on, and how long on the oldest, in milliseconds.
  var now: SessionWork {
    let now = RequestClock.now
    let ages = clocks.withLock { clocks in clocks.compactMap { $0.age(at: now) } }
    return SessionWork(
      answered: answers.load(ordering: .relaxed), working: ages.count, oldestMilliseconds: ages.max() ?? 0)
  }
}

/// A session's work at one moment.
package struct SessionWork: Sendable, Hashable {
  /// Requests answered since the session's start.
  package var answered: UInt64
  /// Requests that readers work on.
  package var working: Int
  /// For how long on the oldest.
  package var oldestMilliseconds: UInt64
}
