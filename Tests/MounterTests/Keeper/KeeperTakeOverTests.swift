import LinuxSystem
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper gives its volumes to the mounter that follows")
struct KeeperTakeOverTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  private static let follower: UInt64 = 7
  private static let drain = WorkerOrder.drain(timeoutMilliseconds: 2_000)

  private func call(_ number: UInt64) -> CallID { CallID(connection: Self.follower, number: number) }

  private mutating func begin() { _ = harness.tell(.takeOver(call(1))) }

  private mutating func handOver() -> [KeeperAction] {
    harness.tell(.called(call(2), .handOver(key), by: .never))
  }

  @Test("a worker goes first, then the volume is handed over, then the socket, and the mounter ends")
  mutating func inOrder() {
    harness.ready()
    let list = harness.tell(.takeOver(call(1)))
    #expect(list.last == .answer(call(1), .done) && list.count == 2)
    #expect(handOver().work == [.command(key, id: 0, Self.drain)])
    #expect(harness.tell(.endTakeOver(call(3))).answer(to: call(3))?.error != nil)
    #expect(harness.die(.exited(code: 0)).work == [.handOver(call(2), key)])
    #expect(harness.tell(.endTakeOver(call(4))) == [.yieldSocket, .answer(call(4), .done), .exit])
  }

  @Test("a volume without a worker is handed over at once", arguments: [true, false])
  mutating func withoutWorker(_ isLost: Bool) {
    if isLost { harness.lost() } else { harness.waiting() }
    begin()
    #expect(handOver().work == [.handOver(call(2), key)])
    #expect(harness.keeper.nextDeadline == .never)
  }

  @Test("a volume whose worker is on its way is handed over when it has arrived")
  mutating func starting() {
    harness.ready()
    _ = harness.die()
    begin()
    #expect(handOver().work.isEmpty)
    #expect(harness.comeBack(pid: 43).work.contains(.command(key, id: 0, Self.drain)))
    #expect(harness.die(.exited(code: 0)).work == [.handOver(call(2), key)])
  }

  @Test("the follower goes before the end: whatever it had asked for is served here again", arguments: [true, false])
  mutating func followerGone(_ isHandedOver: Bool) {
    harness.ready()
    begin()
    _ = handOver()
    if isHandedOver { _ = harness.die(.exited(code: 0)) }
    let gone = harness.tell(.connectionClosed(Self.follower))
    let start = isHandedOver ? gone : harness.die(.exited(code: 0))
    #expect(start.work == [.startWorker(key, generation: 2)])
    #expect(harness.comeBack(pid: 43).published.last == .ready)
    #expect(harness.ensure().actions.work.isEmpty)
    #expect(harness.keeper.taker == nil)
  }

  @Test("others are told to come again, and only who takes over is given a volume")
  mutating func others() {
    harness.ready()
    #expect(handOver().answer(to: call(2)) == .failed(.shuttingDown))
    begin()
    for other in [harness.ensure(), harness.unmount(), harness.ensure(KeeperHarness.request("other"))] {
      #expect(other.actions.answer(to: other.id) == .failed(.shuttingDown))
    }
    let second = CallID(connection: 8, number: 1)
    #expect(harness.tell(.takeOver(second)) == [.answer(second, .failed(.shuttingDown))])
    _ = handOver()
    _ = harness.die(.exited(code: 0))
    let late = harness.ensure()
    #expect(late.actions.answer(to: late.id) == .failed(.shuttingDown))
    #expect(!harness.keeper.canAdopt(WorkerKey(volumeID: "other")))
  }

  @Test("a volume that is gone when its turn comes is no obstacle")
  mutating func goneMeanwhile() {
    begin()
    #expect(handOver().answer(to: call(2)) == .failed(.notMounted(key)))
    #expect(harness.tell(.endTakeOver(call(3))).work == [.yieldSocket, .exit])
  }

  @Test("what had been called before is done first")
  mutating func stoppingMeanwhile() {
    harness.ready()
    let unmount = harness.unmount()
    begin()
    #expect(handOver().work.isEmpty)
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.die(.exited(code: 0))
    let finished = harness.tell(.finished(key, nil))
    #expect(finished.answer(to: unmount.id) == .done)
    #expect(finished.answer(to: call(2)) == .failed(.notMounted(key)))
  }

  @Test("a move to another build that is under way ends with the take-over")
  mutating func rolling() {
    harness.ready()
    _ = harness.tell(.programFound(1))
    begin()
    #expect(handOver().work.isEmpty)
    _ = harness.die(.exited(code: 0))
    let ready = harness.comeBack(pid: 43)
    #expect(ready.work.contains(.command(key, id: 0, Self.drain)))
    #expect(harness.die(.exited(code: 0)).work == [.handOver(call(2), key)])
  }
}
