package import LinuxSystem
internal import Synchronization

/// Makes calls wait for their turn at a worker, in order, each until its deadline.
package final class WorkerTurns: Sendable {
  /// What is known of a call that did not get its turn at once. Absent: it has been told how it went.
  private enum Wait {
    case notYetWaiting
    case waiting(CheckedContinuation<Bool, Never>)
    case called
    case gaveUp
  }

  private struct State {
    var queues = WorkerQueues()
    var waits: [WorkerQueues.Ticket: Wait] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  /// Runs `body` when no other call has the worker.
  /// - Throws: DEADLINE_EXCEEDED when the turn did not come in time, CANCELLED when the caller went away, else what
  ///   `body` throws.
  package func holding<Result>(
    _ worker: String, until deadline: Deadline, _ body: () async throws(CSIError) -> Result
  ) async throws(CSIError) -> Result {
    let (ticket, hasTurn) = state.withLock { state in
      let place = state.queues.join(worker)
      if !place.hasTurn { state.waits[place.ticket] = .notYetWaiting }
      return place
    }
    if !hasTurn, await !turnComes(to: ticket, until: deadline) {
      let step = "waiting for other calls to the volume's worker"
      throw Task.isCancelled ? .cancelled(step: step) : .deadlineExceeded(step: step)
    }
    defer { leave(ticket) }
    return try await body()
  }

  /// Calls that have their turn or wait for the worker, for tests.
  package func count(of worker: String) -> Int { state.withLock { $0.queues.count(of: worker) } }

  /// - Returns: whether the turn came. When it did not, the ticket has left the queue.
  private func turnComes(to ticket: WorkerQueues.Ticket, until deadline: Deadline) async -> Bool {
    let alarm = Task { [self] in
      try await Task.sleep(for: deadline.remaining())
      giveUp(ticket)
    }
    defer { alarm.cancel() }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { wait(ticket, $0) }
    } onCancel: {
      giveUp(ticket)
    }
  }

  private func wait(_ ticket: WorkerQueues.Ticket, _ continuation: CheckedContinuation<Bool, Never>) {
    let turn: Bool? = state.withLock { state in
      switch state.waits[ticket] {
      case .called:
        state.waits[ticket] = nil
        return true
      case .gaveUp, nil:
        state.waits[ticket] = nil
        return false
      case .notYetWaiting, .waiting:
        state.waits[ticket] = .waiting(continuation)
        return nil
      }
    }
    if let turn { continuation.resume(returning: turn) }
  }

  /// Takes a waiting ticket out of its queue; does nothing once its turn has come.
  private func giveUp(_ ticket: WorkerQueues.Ticket) {
    let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      switch state.waits[ticket] {
      case .notYetWaiting:
        state.waits[ticket] = .gaveUp
        _ = state.queues.leave(ticket)
        return nil
      case .waiting(let continuation):
        state.waits[ticket] = nil
        _ = state.queues.leave(ticket)
        return continuation
      case .called, .gaveUp, nil:
        return nil
      }
    }
    continuation?.resume(returning: false)
  }

  private func leave(_ ticket: WorkerQueues.Ticket) {
    let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      guard let next = state.queues.leave(ticket) else { return nil }
      guard case .waiting(let continuation) = state.waits[next] else {
        state.waits[next] = .called
        return nil
      }
      state.waits[next] = nil
      return continuation
    }
    continuation?.resume(returning: true)
  }
}
