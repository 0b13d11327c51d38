import LinuxSystem
import SystemPackage
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper moves volumes to another build of the worker")
struct KeeperRollTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  private static let drain = WorkerOrder.drain(timeoutMilliseconds: 2_000)

  @Test("the worker is asked to make way, and only its certain end brings one of the new build")
  mutating func moved() {
    harness.ready()
    #expect(harness.tell(.programFound(1)).work == [.command(key, id: 0, Self.drain)])
    #expect(harness.tell(.workerReported(key, id: 0, .completed)).work.isEmpty)
    #expect(harness.keeper.programsInUse == [0, 1])
    let exit = harness.die(.exited(code: 0))
    #expect(exit.work == [.startWorker(key, generation: 2)])
    #expect(harness.keeper.volumes[key]?.program == 1)
    let ready = harness.comeBack(pid: 43)
    #expect(ready.work == [.configureWorker(key), .rollEnded(program: 1, failure: nil)])
    #expect(harness.keeper.programsInUse == [1])
    #expect(harness.status?.history.deaths.map(\.exit) == [.replaced])
    #expect(harness.status?.condition(at: harness.now.milliseconds).abnormal == false)
  }

  @Test("one that does not go in time is killed, and followed when it is gone")
  mutating func slow() {
    harness.ready()
    _ = harness.tell(.programFound(1))
    #expect(harness.advance(.seconds(8)).work == [.kill(key)])
    #expect(harness.advance(.seconds(60)).work.isEmpty)
    guard case .interrupted(let reason) = harness.status?.state else { return #expect(Bool(false)) }
    #expect(reason.contains("uninterruptible"))
    #expect(harness.die().work == [.startWorker(key, generation: 2)])
  }

  @Test(
    "a build that does not come to serve is given up, and the one before has the volume back", arguments: [1, 2, 3])
  mutating func fallsBack(_ way: Int) {
    harness.ready()
    _ = harness.tell(.programFound(1))
    _ = harness.die(.exited(code: 0))
    let failed: [KeeperAction]
    switch way {
    case 1: failed = harness.tell(.workerNotStarted(key, .system(.noSuchFileOrDirectory, step: "starting")))
    case 2:
      _ = harness.tell(.workerStarted(key, pid: 43))
      failed = harness.die(.signaled(11))
    default:
      _ = harness.tell(.workerStarted(key, pid: 43))
      #expect(harness.tell(.workerReported(key, id: 0, .failed(reason: "cannot read the state"))).work == [.kill(key)])
      failed = harness.die()
    }
    #expect(failed.work.first == .startWorker(key, generation: 3))
    guard case .rollEnded(1, .some) = failed.work.last else { return #expect(Bool(false)) }
    #expect(harness.keeper.programsInUse == [0])
    #expect(harness.comeBack(pid: 44).published.last == .ready)
    #expect(harness.die().work == [.startWorker(key, generation: 4)])
    #expect(harness.keeper.volumes[key]?.program == 0)
  }

  @Test("volumes move one after the other, a new one joins, and one that fails leaves the others where they are")
  mutating func oneAfterTheOther() {
    let names = ["a", "b", "c"]
    for name in names { serve(name) }
    var pending = Set(names.map { WorkerKey(volumeID: $0) })
    var actions = harness.tell(.programFound(1))
    for number in 1...2 {
      guard case .command(let key, 0, Self.drain) = actions.work.last else { return #expect(Bool(false)) }
      #expect(pending.remove(key) != nil)
      #expect(harness.tell(.workerExited(key, .exited(code: 0), output: [])).work.count == 1)
      _ = harness.tell(.workerStarted(key, pid: Int32(number)))
      actions = harness.tell(.workerReported(key, id: 0, .ready))
    }
    guard let last = pending.first else { return #expect(Bool(false)) }
    _ = harness.tell(.workerExited(last, .exited(code: 0), output: []))
    let failed = harness.tell(.workerNotStarted(last, .shuttingDown))
    guard case .rollEnded(1, .some) = failed.work.last else { return #expect(Bool(false)) }
    #expect(harness.keeper.programsInUse == [0, 1] && harness.keeper.program == 0)
  }

  private mutating func serve(_ name: String) {
    let key = WorkerKey(volumeID: name)
    _ = harness.ensure(KeeperHarness.request(name))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    _ = harness.tell(.workerReported(key, id: 0, .ready))
  }

  @Test("calls wait until the next worker serves, and an unmount in between is done")
  mutating func callsMeanwhile() {
    harness.ready()
    _ = harness.tell(.programFound(1))
    let again = harness.ensure()
    #expect(again.actions.isEmpty)
    let unmount = harness.unmount()
    _ = harness.die(.exited(code: 0))
    let ready = harness.comeBack(pid: 43)
    #expect(ready.answer(to: again.id)?.status?.state == .ready)
    #expect(ready.work.contains(.unmount(key, abandoningUsers: false)))
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.die(.exited(code: 0))
    #expect(harness.tell(.finished(key, nil)).answer(to: unmount.id) == .done)
  }

  @Test("without a volume the new build is used at once, and a mount that is lost holds nothing up")
  mutating func nothingToMove() {
    #expect(harness.tell(.programFound(1)).work == [.rollEnded(program: 1, failure: nil)])
    harness.lost()
    #expect(harness.tell(.programFound(2)).work == [.rollEnded(program: 2, failure: nil)])
  }

  @Test("a connection that is aborted while its worker makes way is lost, and the others move on")
  mutating func aborted() {
    harness.ready()
    _ = harness.tell(.programFound(1))
    let actions = harness.die(.disconnected)
    #expect(actions.work == [.rollEnded(program: 1, failure: nil)])
    guard case .failed = harness.status?.state else { return #expect(Bool(false)) }
  }
}
