internal import Synchronization
package import SystemPackage

/// What a session has done so far, and what it is at.
final class SessionProgress: Sendable {
  private let answers = Atomic<UInt64>(0)
  private let onFirst = Mutex<(@Sendable () -> Void)?>(nil)
  private let clocks = Mutex(Clocks())
  private let errors = ErrorCounts()

  private struct Clocks {
    var living: [RequestClock] = []
    /// What readers that are gone had moved.
    var read: UInt64 = 0
    var written: UInt64 = 0

    mutating func dropEnded() {
      for clock in living where clock.hasEnded {
        read += clock.moved.read
        written += clock.moved.written
      }
      living.removeAll(where: \.hasEnded)
    }
  }

  /// Calls `body` once, on the thread that answers the first request. To be set before the session starts.
  func whenFirstAnswered(_ body: @escaping @Sendable () -> Void) { onFirst.withLock { $0 = body } }

  /// A request was answered, with a result or an error.
  func answered() {
    guard answers.wrappingAdd(1, ordering: .relaxed).oldValue == 0 else { return }
    onFirst.withLock { $0.take() }?()
  }

  /// The same with this error.
  func failed(_ error: Errno) {
    errors.note(error)
    answered()
  }

  /// The clock of a new reader.
  func makeClock() -> RequestClock {
    let clock = RequestClock()
    clocks.withLock { clocks in
      clocks.dropEnded()
      clocks.living.append(clock)
    }
    return clock
  }

  /// Requests answered, those that are worked on, and how long on the oldest, in milliseconds.
  var now: SessionWork {
    let now = RequestClock.now
    let ages = clocks.withLock { clocks in clocks.living.compactMap { $0.age(at: now) } }
    return SessionWork(
      answered: answers.load(ordering: .relaxed), working: ages.count, oldestMilliseconds: ages.max() ?? 0)
  }

  /// Requests answered, what they have moved, and which were errors.
  var traffic: SessionTraffic {
    let (read, written) = clocks.withLock { clocks in
      clocks.dropEnded()
      let moved = clocks.living.map(\.moved)
      return (
        moved.reduce(clocks.read) { $0 + $1.read }, moved.reduce(clocks.written) { $0 + $1.written }
      )
    }
    return SessionTraffic(
      answered: answers.load(ordering: .relaxed), readBytes: read, writtenBytes: written, errors: errors.current)
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

/// What a session has moved since its start.
package struct SessionTraffic: Sendable, Hashable {
  /// Requests answered, errors among them.
  package var answered: UInt64
  /// Contents of files.
  package var readBytes: UInt64
  package var writtenBytes: UInt64
  /// Answers that were errors, by the number that the application got.
  package var errors: [Errno: UInt64]
}

/// Counts answers by their error, without a lock: lookups of names that do not exist are many.
private final class ErrorCounts: Sendable {
  /// Linux has numbers up to 133; what lies beyond is counted as EIO, which libfuse answers for it.
  private static let size = 134
  private let counts = InlineArray<134, Atomic<UInt64>> { _ in Atomic(0) }

  func note(_ error: Errno) {
    let number = Int(error.rawValue)
    let index = (1..<Self.size).contains(number) ? number : Int(Errno.ioError.rawValue)
    counts[index].add(1, ordering: .relaxed)
  }

  var current: [Errno: UInt64] {
    var found: [Errno: UInt64] = [:]
    for number in 1..<Self.size {
      let count = counts[number].load(ordering: .relaxed)
      if count > 0 { found[Errno(rawValue: CInt(number))] = count }
    }
    return found
  }
}
