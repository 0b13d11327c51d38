import LinuxSystem
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper looks after workers")
struct KeeperWatchTests {
  var harness: KeeperHarness
  var key: WorkerKey { harness.key }

  init() {
    var limits = Keeper.Limits()
    limits.watch = Keeper.WatchLimits(notice: .seconds(10), kill: .seconds(60))
    harness = KeeperHarness(limits: limits)
    harness.now = Deadline(nanoseconds: 1_000_000_000_000)
    harness.ready()
  }

  private mutating func say(_ working: UInt32 = 0, for age: Duration = .zero, answered: UInt64 = 1) -> [KeeperAction] {
    let milliseconds = UInt64(age / .milliseconds(1))
    return harness.tell(
      .workerReported(
        key, id: 0, .work(WorkerProgress(answered: answered, working: working, oldestMilliseconds: milliseconds))))
  }

  @Test("a worker that serves is asked every five seconds, and nothing else happens while it answers")
  mutating func asked() {
    for _ in 0..<100 {
      #expect(harness.advance(.seconds(5)) == [.ping(key)])
      #expect(say().isEmpty)
    }
  }

  @Test("silence shows in the condition, then costs the worker its life, and its death brings the next one")
  mutating func silent() {
    #expect(harness.advance(.seconds(14)).published.isEmpty)
    let noticed = harness.advance(.seconds(2))
    guard case .interrupted(let reason) = noticed.published.first else { return #expect(Bool(false)) }
    #expect(reason.contains("pid 42") && reason.contains("10 s"))
    let actions = harness.advance(.seconds(50))
    #expect(actions.filter { $0 == .kill(key) }.count == 1)
    #expect(harness.die().work == [.startWorker(key, generation: 2)])
    #expect(harness.status?.history.deaths.map(\.exit) == [.unanswering(seconds: 60)])
    _ = harness.comeBack(pid: 43)
    #expect(harness.status?.state == .ready)
  }

  @Test("requests that nobody works on show in the condition once they have been missing at each look for long")
  mutating func lost() {
    func progress(_ lost: UInt32) -> KeeperEvent {
      let progress = WorkerProgress(answered: 1, working: 0, oldestMilliseconds: 0, lost: lost)
      return .workerReported(key, id: 0, .work(progress))
    }
    // On a busy volume one look is wrong now and then.
    for lost in [1, 1, 0, 2, 1] as [UInt32] {
      _ = harness.advance(.seconds(5))
      #expect(harness.tell(progress(lost)).isEmpty)
    }
    _ = harness.advance(.seconds(5))
    guard case .interrupted(let reason) = harness.tell(progress(2)).published.first else { return #expect(Bool(false)) }
    #expect(reason.hasPrefix("2 requests that a dead worker had read"))

    #expect(harness.tell(progress(0)).published == [.ready])
  }

  @Test("an answer after a silence ends the concern")
  mutating func wokenUp() {
    _ = harness.advance(.seconds(20))
    #expect(say().published == [.ready])
  }

  @Test("a request that does not end shows in the condition, then costs the worker its life, though it answers pings")
  mutating func stuckRequest() {
    _ = harness.advance(.seconds(5))
    guard case .interrupted(let reason) = say(1, for: .seconds(11)).published.first else { return #expect(Bool(false)) }
    #expect(reason.contains("a request") && reason.contains("under file system"))
    #expect(say(3, for: .seconds(61)).work == [.kill(key)])
    #expect(say(3, for: .seconds(62)).work.isEmpty)
    _ = harness.die()
    #expect(harness.status?.history.deaths.map(\.exit) == [.unanswering(seconds: 61)])
  }

  @Test("a worker that hangs like its predecessor has twice the time, until one gets by")
  mutating func hangsAgain() {
    #expect(say(1, for: .seconds(61)).work == [.kill(key)])
    _ = harness.die()
    _ = harness.comeBack(pid: 43)
    #expect(say(1, for: .seconds(61)).work.isEmpty)
    #expect(say(1, for: .seconds(121)).work == [.kill(key)])
    _ = harness.die()
    _ = harness.advance(.milliseconds(100))
    _ = harness.comeBack(pid: 44)
    #expect(say().published == [])
    #expect(say(1, for: .seconds(61)).work == [.kill(key)])
  }

  @Test("a killed worker that does not die is reported and not replaced, until its death is certain")
  mutating func uninterruptible() {
    _ = say(1, for: .seconds(61))
    let actions = harness.advance(.seconds(300))
    #expect(!actions.contains(.startWorker(key, generation: 2)))
    guard case .interrupted(let reason) = harness.status?.state else { return #expect(Bool(false)) }
    #expect(reason.contains("pid 42") && reason.contains("uninterruptible"))
    #expect(harness.die().work == [.startWorker(key, generation: 2)])
  }

  @Test("an unmount of a volume whose worker says nothing goes its own way")
  mutating func unmountMeanwhile() {
    _ = harness.advance(.seconds(20))
    let call = harness.unmount()
    #expect(call.actions.work == [.unmount(key, abandoningUsers: false)])
    _ = harness.tell(.unmountEnded(key, .busy([])))
    #expect(harness.status?.state == .ready)
    #expect(harness.advance(.seconds(5)) == [.ping(key)])
  }
}
