import GRPC
import Testing

@testable import CSIDriver

@Suite("Target locks")
struct TargetLocksTests {
  @Test("the first call gets the target, the second one learns who has it")
  func secondCallIsRefused() {
    var locks = TargetLocks()
    #expect(locks.acquire("/a", for: .publish) == nil)
    #expect(locks.acquire("/a", for: .unpublish) == .publish)
    #expect(locks.acquire("/a", for: .publish) == .publish)
  }

  @Test("targets do not know of each other")
  func otherTargetsAreFree() {
    var locks = TargetLocks()
    #expect(locks.acquire("/a", for: .publish) == nil)
    #expect(locks.acquire("/b", for: .unpublish) == nil)
    // Equal to Swift, two folders to the kernel.
    #expect(locks.acquire("/\u{E9}", for: .publish) == nil)
    #expect(locks.acquire("/e\u{301}", for: .publish) == nil)
    #expect(locks.count == 4)
  }

  @Test("a released target can be taken again and leaves nothing behind")
  func releaseFrees() {
    var locks = TargetLocks()
    _ = locks.acquire("/a", for: .publish)
    locks.release("/a")
    #expect(locks.count == 0)
    #expect(locks.acquire("/a", for: .unpublish) == nil)
  }

  @Test("a call for a target that is busy is ABORTED at once and names what runs")
  func tableAborts() async throws {
    let table = TargetLockTable()
    try await table.holding("/a", for: .publish) { () async throws(CSIError) in
      let error = await #expect(throws: CSIError.self) {
        try await table.holding("/a", for: .unpublish) { () async throws(CSIError) in }
      }
      #expect(error?.code == .aborted)
      #expect(error?.message.contains("/a") == true)
    }
  }

  @Test("a call that fails gives its target back")
  func failureReleases() async throws {
    let table = TargetLockTable()
    await #expect(throws: CSIError.self) {
      try await table.holding("/a", for: .publish) { () async throws(CSIError) in
        throw CSIError.cancelled(step: "testing")
      }
    }
    try await table.holding("/a", for: .publish) { () async throws(CSIError) in }
  }

  @Test("of many calls for one target at once exactly one runs at a time")
  func oneAtATime() async {
    let table = TargetLockTable()
    let running = Counter()
    let aborted = Counter()
    let done = Counter()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<200 {
        group.addTask {
          do {
            try await table.holding("/a", for: .publish) { () async throws(CSIError) in
              #expect(running.add(1) == 1)
              await Task.yield()
              running.add(-1)
              done.add(1)
            }
          } catch {
            aborted.add(1)
          }
        }
      }
    }
    #expect(done.value >= 1)
    #expect(done.value + aborted.value == 200)
  }
}
