internal import LinuxSystem
import Synchronization
package import VolumeModel

/// The credentials that requests are signed with: fetched once for all that wait, again before they expire, and kept while
/// new ones are not to be had.
package final class CredentialStore: Sendable {
  /// nil: requests are not signed.
  package typealias Answer = Result<ObjectStoreCredentials?, CredentialError>

  private struct State {
    var source: any CredentialSource
    /// nil: nobody has asked the source yet.
    var current: ObjectStoreCredentials??
    /// The service refused `current`, or it was replaced: the next request asks the source.
    var isStale = false
    var isFetching = false
    /// Counts sources, so that the answer of one that was replaced meanwhile is not taken.
    var generation = 0
    var waiters: [@Sendable (Answer) -> Void] = []
    var notBefore = Deadline(nanoseconds: 0)
    var failure: CredentialError?
  }

  private let state: Mutex<State>
  private let clock: any RequestClock

  /// Seconds before the end at which new ones are fetched while the old ones are still used, and at which these are not used
  /// any more: a request has to arrive.
  private static let early: Int64 = 300
  private static let late: Int64 = 30
  /// Between attempts of a source that fails while the old ones are still good.
  private static let pause: Duration = .seconds(20)
  /// How long one attempt of a source may take.
  private static let patience: Duration = .seconds(20)

  package init(_ source: any CredentialSource, clock: any RequestClock = SystemRequestClock()) {
    state = Mutex(State(source: source))
    self.clock = clock
  }

  /// Why the last attempt to get new ones failed, where older ones are still in use; nil: all is well.
  package var failure: CredentialError? { state.withLock { $0.failure } }

  /// Calls back with credentials: at once with those that are there, or from a thread of the source.
  package func current(_ completion: @escaping @Sendable (Answer) -> Void) {
    let wall = clock.wallSeconds
    let now = clock.now
    let (answer, fetches): (Answer?, Bool) = state.withLock { state in
      if let current = state.current, !state.isStale, !Self.isOver(current, at: wall, margin: Self.late) {
        let isEarly = Self.isOver(current, at: wall, margin: Self.early) && now >= state.notBefore
        let fetches = isEarly && !state.isFetching
        if fetches { state.isFetching = true }
        return (.success(current), fetches)
      }
      state.waiters.append(completion)
      defer { state.isFetching = true }
      return (nil, !state.isFetching)
    }
    if let answer { completion(answer) }
    if fetches { fetch() }
  }

  /// The service refused these: where they are still the current ones, the next request asks the source again.
  package func refused(_ credentials: ObjectStoreCredentials?) {
    state.withLock { state in
      if state.current == .some(credentials) { state.isStale = true }
    }
  }

  /// Takes others in place of the current ones, after they were tried.
  package func adopt(_ source: any CredentialSource, _ credentials: ObjectStoreCredentials?) {
    state.withLock { state in
      state.source = source
      state.current = .some(credentials)
      state.isStale = false
      state.failure = nil
      state.generation += 1
    }
  }

  private static func isOver(_ credentials: ObjectStoreCredentials?, at wall: Int64, margin: Int64) -> Bool {
    credentials?.expiration.map { wall >= $0 - margin } ?? false
  }

  private func fetch() {
    let (source, generation) = state.withLock { ($0.source, $0.generation) }
    let deadline = clock.now.advanced(by: Self.patience)
    do throws(BlockingThreads.TooManyAbandoned) {
      try BlockingThreads.shared.start { [self] in
        do throws(CredentialError) {
          finish(.success(try source.fetch(by: deadline)), generation)
        } catch {
          finish(.failure(error), generation)
        }
      }
    } catch {
      finish(.failure(CredentialError("no thread is left to ask \(source.name)")), generation)
    }
  }

  private func finish(_ answer: Answer, _ generation: Int) {
    let wall = clock.wallSeconds
    let now = clock.now
    let (waiters, result): ([@Sendable (Answer) -> Void], Answer) = state.withLock { state in
      state.isFetching = false
      defer { state.waiters = [] }
      // Replaced meanwhile: what was adopted counts.
      if state.generation != generation, let adopted = state.current { return (state.waiters, .success(adopted)) }
      switch answer {
      case .success(let credentials):
        state.current = .some(credentials)
        state.isStale = false
        state.failure = nil
        return (state.waiters, answer)
      case .failure(let error):
        state.failure = error
        state.notBefore = now.advanced(by: Self.pause)
        // Those that are there may still do; the service says so if not.
        if let current = state.current, !Self.isOver(current, at: wall, margin: 0), current != nil {
          state.isStale = false
          return (state.waiters, .success(current))
        }
        return (state.waiters, answer)
      }
    }
    for waiter in waiters { waiter(result) }
  }
}
