import GRPC
import LinuxSystem
import TestSupport
import Testing

@testable import CSIDriver

@Suite("Worker queues")
struct WorkerQueuesTests {
  @Test("the first call has its turn at once, the next ones wait")
  func firstHasItsTurn() {
    var queues = WorkerQueues()
    #expect(queues.join("w").hasTurn)
    #expect(!queues.join("w").hasTurn)
    #expect(queues.join("other").hasTurn)
    // Equal to Swift, two volumes to the specification.
    #expect(queues.join("volume \u{E9}").hasTurn)
    #expect(queues.join("volume e\u{301}").hasTurn)
  }

  @Test("turns come in the order of arrival")
  func order() {
    var queues = WorkerQueues()
    let tickets = (0..<4).map { _ in queues.join("w").ticket }
    for index in 0..<3 { #expect(queues.leave(tickets[index]) == tickets[index + 1]) }
    #expect(queues.leave(tickets[3]) == nil)
    #expect(queues.count(of: "w") == 0)
  }

  @Test("a call that gives up waiting is passed over and gives nobody a turn")
  func givingUp() {
    var queues = WorkerQueues()
    let first = queues.join("w").ticket
    let second = queues.join("w").ticket
    let third = queues.join("w").ticket
    #expect(queues.leave(second) == nil)
    #expect(queues.leave(first) == third)
  }

  @Test("leaving twice does nothing")
  func leavingTwice() {
    var queues = WorkerQueues()
    let first = queues.join("w").ticket
    let second = queues.join("w").ticket
    #expect(queues.leave(first) == second)
    #expect(queues.leave(first) == nil)
    #expect(queues.count(of: "w") == 1)
  }

  @Test("a call whose deadline passes while it waits leaves the queue with DEADLINE_EXCEEDED")
  func deadline() async throws {
    let turns = WorkerTurns()
    try await turns.holding("w", until: .after(.patient)) { () async throws(CSIError) in
      let error = await #expect(throws: CSIError.self) {
        try await turns.holding("w", until: .now) { () async throws(CSIError) in }
      }
      #expect(error?.code == .deadlineExceeded)
      #expect(turns.count(of: "w") == 1)
    }
    #expect(turns.count(of: "w") == 0)
  }

  @Test("a call whose caller goes away while it waits leaves the queue")
  func cancellation() async throws {
    let turns = WorkerTurns()
    try await turns.holding("w", until: .after(.patient)) { () async throws(CSIError) in
      let waiter = Task { try await turns.holding("w", until: .after(.patient)) { () async throws(CSIError) in } }
      while turns.count(of: "w") < 2 { await Task.yield() }
      waiter.cancel()
      let result = await waiter.result
      #expect(throws: CSIError.self) { try result.get() }
      #expect(turns.count(of: "w") == 1)
    }
    try await turns.holding("w", until: .after(.patient)) { () async throws(CSIError) in }
  }

  @Test("many calls for one worker run one after the other and all run")
  func allRun() async {
    let turns = WorkerTurns()
    let running = Counter()
    let done = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<500 {
        group.addTask {
          try? await turns.holding("w", until: .never) { () async throws(CSIError) in
            #expect(running.add(1) == 1)
            await Task.yield()
            running.add(-1)
            done.add(1)
          }
        }
      }
    }
    #expect(done.value == 500)
    #expect(turns.count(of: "w") == 0)
  }

  @Test("calls that come, wait briefly and give up at random never lose a turn")
  func randomDeadlines() async throws {
    let turns = WorkerTurns()
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<500 {
        group.addTask {
          let patience = Duration.microseconds(index % 7 * 40)
          try? await turns.holding("w", until: .after(patience)) { () async throws(CSIError) in await Task.yield() }
        }
      }
    }
    #expect(turns.count(of: "w") == 0)
    try await turns.holding("w", until: .now) { () async throws(CSIError) in }
  }
}
