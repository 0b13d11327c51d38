internal import VolumeModel

/// Who may change which worker: one call at a time per worker, in the order of arrival. Targets of one volume that are
/// published together wait here for its worker, each until its own deadline. A value; `WorkerTurns` makes calls wait.
package struct WorkerQueues: Sendable {
  /// One call's place in a queue. Never used twice.
  package struct Ticket: Sendable, Hashable {
    fileprivate let worker: ByteKey
    fileprivate let number: UInt64
  }

  /// The waiting tickets of each worker; the first one has its turn. Empty queues are not kept.
  private var queues: [ByteKey: [Ticket]] = [:]
  private var nextNumber: UInt64 = 0

  package init() {}

  /// Queues a call for the worker.
  /// - Returns: its ticket, and whether it has its turn at once.
  package mutating func join(_ worker: String) -> (ticket: Ticket, hasTurn: Bool) {
    let worker = ByteKey(worker)
    let ticket = Ticket(worker: worker, number: nextNumber)
    nextNumber += 1
    queues[worker, default: []].append(ticket)
    return (ticket, queues[worker]?.count == 1)
  }

  /// The call is done or has given up waiting.
  /// - Returns: the ticket that has its turn through this, if any: none when the leaver was still waiting.
  package mutating func leave(_ ticket: Ticket) -> Ticket? {
    guard var queue = queues[ticket.worker], let place = queue.firstIndex(of: ticket) else { return nil }
    queue.remove(at: place)
    queues[ticket.worker] = queue.isEmpty ? nil : queue
    return place == 0 ? queue.first : nil
  }

  /// Calls that have their turn or wait for the worker.
  package func count(of worker: String) -> Int { queues[ByteKey(worker)]?.count ?? 0 }
}
