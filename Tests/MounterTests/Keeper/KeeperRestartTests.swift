import LinuxSystem
import SystemPackage
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper starts workers again")
struct KeeperRestartTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  @Test(
    "a worker that dies is followed by the next one at once, without a call",
    arguments: [
      WorkerExit.signaled(9), .signaled(11), .exited(code: 3), .exited(code: 0), .outOfMemory(limitBytes: 1 << 28),
      .unanswering(seconds: 30), .unknown,
    ])
  mutating func restart(_ exit: WorkerExit) {
    harness.ready()
    let actions = harness.die(exit)
    #expect(actions.work == [.startWorker(key, generation: 2)])
    guard case .interrupted(let reason) = actions.published.first else { return #expect(Bool(false)) }
    #expect(reason.contains(exit.sentence))
    #expect(harness.status?.pid == nil && harness.status?.startedAt == nil)
    #expect(harness.comeBack(pid: 43).published.last == .ready)
    #expect(harness.status?.restarts == 1 && harness.status?.pid == 43)
    #expect(harness.status?.history.deaths == [WorkerDeath(exit: exit, pid: 42, moment: 1_000)])
  }

  @Test("a worker whose connection is gone is not followed by another, and a call finds that out anew")
  mutating func connectionLost() {
    harness.ready()
    let actions = harness.die(.disconnected)
    #expect(actions.work.isEmpty)
    guard case .failed = actions.published.first else { return #expect(Bool(false)) }
    #expect(harness.keeper.nextDeadline == .never)
    let call = harness.ensure()
    #expect(call.actions.work == [.startWorker(key, generation: 2)])
    _ = harness.tell(.workerStarted(key, pid: 43))
    let second = harness.die(.disconnected)
    #expect(second.answer(to: call.id)?.error != nil && second.work.isEmpty)
  }

  @Test("workers that die without having answered anything are started at growing intervals, up to ten seconds")
  mutating func pauses() {
    harness.ready()
    var pauses: [Duration] = []
    for pid in Int32(50)..<62 {
      let actions = harness.die()
      let start = harness.now
      let due = harness.keeper.nextDeadline
      if !actions.work.contains(where: { if case .startWorker = $0 { true } else { false } }) {
        guard case .interrupted = harness.status?.state else { return #expect(Bool(false)) }
        pauses.append(due.remaining(at: start))
        #expect(harness.advance(due.remaining(at: start)).work.count == 1)
      }
      _ = harness.tell(.workerStarted(key, pid: pid))
    }
    let expected: [Duration] = [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_000].map {
      .milliseconds($0)
    }
    #expect(pauses == expected)
  }

  @Test("an answer ends the growing of intervals")
  mutating func answered() {
    harness.waiting()
    _ = harness.advance(.milliseconds(100))
    _ = harness.comeBack(pid: 44)
    _ = harness.tell(.workerReported(key, id: 0, .answered))
    #expect(harness.die().work == [.startWorker(key, generation: 4)])
  }

  @Test("a worker that nobody asked for long is started again at once")
  mutating func idle() {
    harness.waiting()
    _ = harness.advance(.milliseconds(100))
    _ = harness.comeBack(pid: 44)
    _ = harness.advance(.seconds(6))
    #expect(harness.die().work == [.startWorker(key, generation: 4)])
  }

  @Test(
    "a worker that was asked nothing and is killed by somebody is not to blame: the next one comes at once",
    arguments: [9, 15] as [Int32])
  mutating func killedIdle(_ signal: Int32) {
    harness.ready()
    for pid in Int32(50)..<70 {
      #expect(harness.die(.signaled(signal), asked: false).work.contains { $0.startsWorker })
      _ = harness.comeBack(pid: pid)
    }
  }

  @Test("more of them than anybody kills by hand are paced as others are")
  mutating func killedIdleForEver() {
    harness.ready()
    var pauses = 0
    for pid in Int32(50)..<80 {
      if !harness.die(asked: false).work.contains(where: \.startsWorker) {
        pauses += 1
        _ = harness.advance(.seconds(5))
      }
      _ = harness.comeBack(pid: pid)
    }
    #expect(pauses == 30 - 20 - 1)
  }

  @Test(
    "a worker that was asked nothing and fails by itself is to blame",
    arguments: [
      WorkerExit.signaled(11), .signaled(6), .exited(code: 1), .outOfMemory(limitBytes: 1 << 20), .unknown,
      .unanswering(seconds: 30),
    ])
  mutating func failsIdle(_ exit: WorkerExit) {
    harness.ready()
    _ = harness.die(exit, asked: false)
    _ = harness.comeBack(pid: 43)
    #expect(harness.die(exit, asked: false).work.isEmpty)
  }

  @Test("a worker that is killed before it serves is to blame, whether it was asked or not", arguments: [true, false])
  mutating func killedBeforeReady(_ asked: Bool) {
    harness.ready()
    _ = harness.die(asked: asked)
    for pid in Int32(43)..<45 {
      _ = harness.tell(.workerStarted(key, pid: pid))
      _ = harness.die(asked: asked)
      _ = harness.advance(.seconds(1))
    }
    guard case .interrupted = harness.status?.state else { return #expect(Bool(false)) }
    #expect(harness.keeper.volumes[key]?.silentDeaths == (asked ? 3 : 2))
  }

  @Test("a call need not wait for the end of a pause")
  mutating func calledInPause() {
    harness.waiting()
    let call = harness.ensure()
    #expect(call.actions.work == [.startWorker(key, generation: 3)])
    #expect(harness.comeBack(pid: 44).answer(to: call.id)?.status?.state == .ready)
  }

  @Test("a start that fails leaves the mount to its users, is answered, and is tried again")
  mutating func startFails() {
    harness.ready()
    _ = harness.die()
    let call = harness.ensure()
    let error = MounterError.system(.noSuchFileOrDirectory, step: "starting /x")
    let actions = harness.tell(.workerNotStarted(key, error))
    #expect(actions.answer(to: call.id) == .failed(error))
    #expect(actions.work.isEmpty)
    #expect(harness.advance(.milliseconds(100)).work == [.startWorker(key, generation: 3)])
    _ = harness.tell(.workerStarted(key, pid: 43))
    #expect(harness.tell(.workerReported(key, id: 0, .failed(reason: "no memory"))).work == [.kill(key)])
    #expect(harness.die().work.isEmpty)
    #expect(harness.status?.history.deaths.last?.exit == .notServing(reason: "no memory"))
  }

  @Test("a caller that gives up stops no further worker")
  mutating func callerGivesUp() {
    harness.ready()
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    let call = harness.ensure(within: .seconds(1))
    let actions = harness.advance(.seconds(2))
    #expect(actions.answer(to: call.id)?.error != nil)
    #expect(actions.work.isEmpty)
    #expect(harness.tell(.workerReported(key, id: 0, .ready)).published == [.ready])
  }

  @Test("a further worker that never serves is killed after the mounter's own limit and followed by another")
  mutating func neverReady() {
    harness.ready()
    _ = harness.tell(.workerReported(key, id: 0, .answered))
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    #expect(harness.advance(.seconds(61)).work == [.kill(key)])
    #expect(harness.die().work == [.startWorker(key, generation: 3)])
  }

  @Test("one that does not die of SIGKILL is reported and not followed by another until it has gone")
  mutating func stuck() {
    harness.ready()
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    #expect(harness.advance(.seconds(600)).work == [.kill(key)])
    guard case .interrupted(let reason) = harness.status?.state else { return #expect(Bool(false)) }
    #expect(reason.contains("pid 43") && reason.contains("uninterruptible"))
    _ = harness.die()
    #expect(harness.advance(.milliseconds(100)).work == [.startWorker(key, generation: 3)])
  }

  @Test("the longest pause is from the first death to the first worker that serves")
  mutating func longestPause() {
    harness.ready()
    _ = harness.tell(.workerReported(key, id: 0, .answered))
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    _ = harness.advance(.milliseconds(70))
    _ = harness.die()
    _ = harness.advance(.milliseconds(30))
    _ = harness.comeBack(pid: 44)
    #expect(harness.status?.history.longestPause == 100)
    _ = harness.die()
    _ = harness.advance(.milliseconds(20))
    _ = harness.comeBack(pid: 45)
    #expect(harness.status?.history.longestPause == 100)
  }

  @Test("what the dead worker had been told and had not done, the next one is started with, and that is the answer")
  mutating func commandsCarriedOver() {
    harness.ready()
    var options = WorkerOptions()
    options.capacityBytes = 5
    let update = harness.call(.updateOptions(key, options))
    let refresh = harness.call(.refreshSecrets(key))
    let death = harness.die()
    #expect(death.answer(to: update.id) == nil && death.answer(to: refresh.id) == nil)
    #expect(harness.status?.request.options == options)
    let actions = harness.comeBack(pid: 43)
    #expect(actions.answer(to: update.id)?.status?.request.options == options)
    #expect(actions.answer(to: refresh.id) == .done)
  }

  @Test("options and secrets that come in a pause wait for nothing")
  mutating func commandsInPause() {
    harness.waiting()
    var options = WorkerOptions()
    options.capacityBytes = 5
    let update = harness.call(.updateOptions(key, options))
    #expect(update.actions.answer(to: update.id)?.status?.request.options == options)
    let refresh = harness.call(.refreshSecrets(key))
    #expect(refresh.actions == [.takeSecrets(refresh.id, key), .answer(refresh.id, .done)])
  }

  // MARK: Unmounting meanwhile

  @Test("an unmount waits neither for a pause nor for a worker on its way", arguments: [true, false])
  mutating func unmountMeanwhile(_ inPause: Bool) {
    harness.waiting()
    if !inPause {
      _ = harness.advance(.milliseconds(100))
      _ = harness.tell(.workerStarted(key, pid: 44))
    }
    let call = harness.unmount()
    #expect(call.actions.work == [.unmount(key, abandoningUsers: false)])
    let unmounted = harness.tell(.unmountEnded(key, .unmounted))
    if inPause { #expect(unmounted.work == [.finish(key)]) } else { #expect(harness.die().work == [.finish(key)]) }
    #expect(harness.tell(.finished(key, nil)).answer(to: call.id) == .done)
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("a worker that dies while an unmount finds the mount in use is followed by another")
  mutating func diesDuringUnmount() {
    harness.ready()
    let call = harness.unmount()
    #expect(harness.die().work.isEmpty)
    #expect(harness.tell(.unmountEnded(key, .busy([]))).answer(to: call.id)?.error != nil)
    #expect(harness.advance(.zero).work == [.startWorker(key, generation: 2)])
  }

  @Test("a worker that becomes ready while an unmount finds the mount in use serves on")
  mutating func readyDuringUnmount() {
    harness.ready()
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    _ = harness.unmount()
    _ = harness.tell(.workerReported(key, id: 0, .ready))
    _ = harness.tell(.unmountEnded(key, .busy([])))
    #expect(harness.status?.state == .ready)
    #expect(harness.keeper.nextDeadline == .never)
  }

  @Test("a worker that is still on its way when an unmount finds the mount in use is waited for")
  mutating func startingDuringUnmount() {
    harness.ready()
    _ = harness.die()
    _ = harness.tell(.workerStarted(key, pid: 43))
    _ = harness.unmount()
    _ = harness.tell(.unmountEnded(key, .busy([])))
    #expect(harness.tell(.workerReported(key, id: 0, .ready)).published == [.ready])
  }

  @Test("a mounter that ends starts no further worker", arguments: [true, false])
  mutating func shutdownMeanwhile(_ inPause: Bool) {
    harness.waiting()
    if !inPause {
      _ = harness.advance(.milliseconds(100))
      _ = harness.tell(.workerStarted(key, pid: 44))
    }
    let actions = harness.tell(.shutdown(CallID(connection: 1, number: 99), unmountingAll: true, by: .never))
    #expect(actions.work == [.unmount(key, abandoningUsers: true)])
  }
}
