import Synchronization
package import SystemPackage

/// Why a blocking call has no result.
package enum BlockingCallError: Error, Sendable, Hashable, CustomStringConvertible {
  /// It was still running at its deadline. Its thread stays in the kernel until the call returns.
  case deadlineExceeded(name: String)
  /// The task that waited for it was cancelled.
  case cancelled(name: String)
  /// So many earlier calls have not returned that no thread is risked on this one.
  case tooManyAbandoned(name: String, count: Int)
  /// It returned in time, with this error.
  case failed(name: String, Errno)

  package var description: String {
    switch self {
    case .deadlineExceeded(let name): "\(name) did not return before the deadline"
    case .cancelled(let name): "\(name) was cancelled"
    case .tooManyAbandoned(let name, let count): "\(name) was not tried: \(count) earlier calls hang in the kernel"
    case .failed(let name, let error): "\(name): \(error)"
    }
  }
}

/// System calls that may hang on a dead mount or disk, on threads of their own that can be left behind.
///
/// A call that misses its deadline is abandoned, not stopped: it may still take effect later. Give `whenLate` what has
/// to be undone then.
package enum BlockingCall {
  /// Runs `body` on its own thread and waits for it until `deadline`.
  /// - Parameters:
  ///   - name: what is done to what, for errors, as `unmount /a/b`.
  ///   - threads: the pool; tests bring their own.
  ///   - whenLate: called on the body's thread with its value when nobody waits for it any more.
  package static func run<Value: Sendable>(
    name: String, deadline: Deadline, threads: BlockingThreads = .shared,
    whenLate: @escaping @Sendable (Value) -> Void = { _ in },
    _ body: @escaping @Sendable () throws(Errno) -> Value
  ) async throws(BlockingCallError) -> Value {
    if Task.isCancelled { throw .cancelled(name: name) }
    let outcome = Outcome<Value>()
    let job = BlockingThreads.Job {
      do throws(Errno) {
        let value = try body()
        if !outcome.finish(.success(value)) { whenLate(value) }
      } catch {
        _ = outcome.finish(.failure(.failed(name: name, error)))
      }
    }
    do throws(BlockingThreads.TooManyAbandoned) {
      try threads.submit(job)
    } catch {
      throw .tooManyAbandoned(name: name, count: error.count)
    }
    @Sendable func giveUp(_ reason: BlockingCallError) {
      if outcome.finish(.failure(reason)) { threads.abandon(job) }
    }
    let watched =
      deadline == .never ? nil : threads.deadlines.add(deadline) { giveUp(.deadlineExceeded(name: name)) }
    let result = await withTaskCancellationHandler {
      await outcome.result()
    } onCancel: {
      giveUp(.cancelled(name: name))
    }
    if let watched { threads.deadlines.cancel(watched) }
    return try result.get()
  }

  /// The same with a moment of the standard clock.
  package static func run<Value: Sendable>(
    name: String, deadline: ContinuousClock.Instant, threads: BlockingThreads = .shared,
    whenLate: @escaping @Sendable (Value) -> Void = { _ in },
    _ body: @escaping @Sendable () throws(Errno) -> Value
  ) async throws(BlockingCallError) -> Value {
    let remaining = ContinuousClock.now.duration(to: deadline)
    return try await run(name: name, deadline: .after(remaining), threads: threads, whenLate: whenLate, body)
  }

  /// A result that is set once and awaited once.
  private final class Outcome<Value: Sendable>: Sendable {
    private enum State {
      case pending
      case awaited(CheckedContinuation<Result<Value, BlockingCallError>, Never>)
      case finished(Result<Value, BlockingCallError>)
    }
    private let state = Mutex(State.pending)

    /// - Returns: false when it was finished before.
    func finish(_ result: Result<Value, BlockingCallError>) -> Bool {
      let (isFirst, waiter) = state.withLock { state in
        switch state {
        case .pending:
          state = .finished(result)
          return (true, CheckedContinuation<Result<Value, BlockingCallError>, Never>?.none)
        case .awaited(let waiter):
          state = .finished(result)
          return (true, waiter)
        case .finished: return (false, nil)
        }
      }
      waiter?.resume(returning: result)
      return isFirst
    }

    func result() async -> Result<Value, BlockingCallError> {
      await withCheckedContinuation { continuation in
        let ready: Result<Value, BlockingCallError>? = state.withLock { state in
          if case .finished(let result) = state { return result }
          state = .awaited(continuation)
          return nil
        }
        if let ready { continuation.resume(returning: ready) }
      }
    }
  }
}
