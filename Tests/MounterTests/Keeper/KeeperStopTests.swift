import LinuxSystem
import SystemPackage
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper stops volumes")
struct KeeperStopTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  @Test("a volume is unmounted, its worker asked to go, and what is left is closed")
  mutating func stop() {
    harness.ready()
    let call = harness.unmount()
    #expect(call.actions.work == [.unmount(key, abandoningUsers: false)])
    #expect(call.actions.published == [.stopping])
    let polite = harness.tell(.unmountEnded(key, .unmounted)).work
    #expect(polite == [.command(key, id: 0, .stop(timeoutMilliseconds: 10_000))])
    #expect(harness.tell(.workerExited(key, .exited(code: 0), output: [])).work == [.finish(key)])
    #expect(harness.tell(.finished(key, nil)) == [.answer(call.id, .done)])
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("a worker that is gone before the unmount returns is not waited for")
  mutating func workerFirst() {
    harness.ready()
    let call = harness.unmount()
    #expect(harness.tell(.workerExited(key, .exited(code: 0), output: [])).work.isEmpty)
    #expect(harness.tell(.unmountEnded(key, .unmounted)).work == [.finish(key)])
    #expect(harness.tell(.finished(key, nil)).answer(to: call.id) == .done)
  }

  @Test("a mount in use stays as it was, and the error names who uses it")
  mutating func busy() {
    harness.ready()
    let call = harness.unmount()
    let holders = [MountHolder.process(pid: 4711, program: "postgres"), .mount(at: "/pods/x")]
    let actions = harness.tell(.unmountEnded(key, .busy(holders)))
    #expect(actions.work.isEmpty)
    #expect(actions.answer(to: call.id) == .failed(.busy(key: key, holders: holders)))
    #expect(
      actions.answer(to: call.id)?.error?.description.contains("postgres (pid 4711), the mount at /pods/x") == true)
    #expect(harness.status?.state == .ready)
    #expect(harness.keeper.nextDeadline == .never)
  }

  @Test("a mount in use is taken from its users where the caller says that none is left")
  mutating func abandoning() {
    harness.ready()
    let call = harness.unmount(abandoningUsers: true)
    #expect(harness.tell(.unmountEnded(key, .busy([]))).work == [.detach(key)])
    _ = harness.tell(.unmountEnded(key, .unmounted))
    #expect(harness.tell(.workerExited(key, .exited(code: 0), output: [])).work == [.finish(key)])
    #expect(harness.tell(.finished(key, nil)).answer(to: call.id) == .done)
  }

  @Test("a second unmount may abandon users that the first would not")
  mutating func joining() {
    harness.ready()
    let first = harness.unmount()
    let second = harness.unmount(abandoningUsers: true)
    #expect(second.actions.isEmpty)
    #expect(harness.tell(.unmountEnded(key, .busy([]))).work == [.detach(key)])
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.tell(.workerExited(key, .exited(code: 0), output: []))
    let actions = harness.tell(.finished(key, nil))
    #expect(actions.answer(to: first.id) == .done)
    #expect(actions.answer(to: second.id) == .done)
  }

  @Test("an unmount that fails leaves the volume as it was")
  mutating func unmountFails() {
    harness.lost()
    let call = harness.unmount()
    let actions = harness.tell(.unmountEnded(key, .failed(.permissionDenied, step: "unmounting /x")))
    #expect(actions.answer(to: call.id) == .failed(.system(.permissionDenied, step: "unmounting /x")))
    guard case .failed = harness.status?.state else { return #expect(Bool(false)) }
  }

  @Test("a worker that does not go is killed, and its death is confirmed before anything is closed")
  mutating func kill() {
    harness.ready()
    _ = harness.unmount()
    _ = harness.tell(.unmountEnded(key, .unmounted))
    #expect(harness.advance(.seconds(9)).isEmpty)
    #expect(harness.advance(.seconds(2)).work == [.kill(key)])
    #expect(harness.tell(.workerExited(key, .signaled(9), output: [])).work == [.finish(key)])
  }

  @Test("an unmount that hangs costs the worker its life and the connection its end, and is waited for")
  mutating func unmountHangs() {
    harness.ready()
    _ = harness.unmount(within: .seconds(6))
    #expect(harness.advance(.milliseconds(2_100)).work == [.abort(key), .kill(key)])
    #expect(harness.tell(.workerExited(key, .signaled(9), output: [])).work.isEmpty)
    #expect(harness.tell(.unmountEnded(key, .unmounted)).work == [.finish(key)])
  }

  @Test("a worker in uninterruptible sleep is reported, and its late death goes on with the clean-up")
  mutating func stuck() {
    harness.ready()
    let call = harness.unmount()
    _ = harness.tell(.unmountEnded(key, .unmounted))
    let actions = harness.advance(.seconds(20))
    #expect(actions.work == [.kill(key)])
    #expect(actions.answer(to: call.id)?.error?.description.contains("uninterruptible sleep") == true)
    guard case .failed = harness.status?.state else { return #expect(Bool(false)) }
    let again = harness.unmount(within: .seconds(3))
    #expect(harness.advance(.seconds(4)).answer(to: again.id)?.error?.description.contains("42") == true)
    #expect(harness.tell(.workerExited(key, .signaled(9), output: [])).work == [.finish(key)])
    _ = harness.tell(.finished(key, nil))
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("every caller is answered by its deadline, whatever hangs")
  mutating func deadlines() {
    harness.ready()
    let call = harness.unmount(within: .milliseconds(100))
    let actions = harness.advance(.milliseconds(100))
    #expect(actions.answer(to: call.id) == .failed(.deadline(step: "unmounting /state/volumes/volume/mount")))
  }

  @Test("a folder that cannot be removed is an error, and the volume is gone all the same")
  mutating func finishFails() {
    harness.ready()
    let call = harness.unmount()
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.tell(.workerExited(key, .exited(code: 0), output: []))
    let error = MounterError.system(.readOnlyFileSystem, step: "removing the mount point /x")
    #expect(harness.tell(.finished(key, error)).answer(to: call.id) == .failed(error))
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("calls that come while a volume stops begin when it is gone, in their order")
  mutating func queue() {
    harness.ready()
    let unmount = harness.unmount()
    let mount = harness.ensure()
    let update = harness.call(.updateOptions(key, WorkerOptions()))
    #expect(mount.actions.isEmpty && update.actions.isEmpty)
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.tell(.workerExited(key, .exited(code: 0), output: []))
    let actions = harness.tell(.finished(key, nil))
    #expect(actions.answer(to: unmount.id) == .done)
    #expect(actions.work == [.mount(harness.request)])
    _ = harness.tell(.mounted(key, connection: 8))
    _ = harness.tell(.workerStarted(key, pid: 43))
    let ready = harness.tell(.workerReported(key, id: 0, .ready))
    #expect(ready.answer(to: mount.id)?.status?.state == .ready)
    #expect(ready.work == [.command(key, id: 1, .updateOptions(WorkerOptions()))])
  }

  @Test("an unmount that comes while a volume starts waits for its end")
  mutating func unmountDuringStart() {
    let start = harness.ensure()
    let unmount = harness.unmount()
    #expect(unmount.actions.isEmpty)
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let actions = harness.tell(.workerReported(key, id: 0, .ready))
    #expect(actions.answer(to: start.id)?.status?.state == .ready)
    #expect(actions.work == [.unmount(key, abandoningUsers: false)])
  }

  @Test("an unknown volume is cleared of leftovers, and a mount waits for that")
  mutating func sweep() {
    let unmount = harness.unmount()
    #expect(unmount.actions == [.sweep(key)])
    let mount = harness.ensure()
    #expect(mount.actions.isEmpty)
    let actions = harness.tell(.swept(key, nil))
    #expect(actions.answer(to: unmount.id) == .done)
    #expect(actions.work == [.mount(harness.request)])
  }

  @Test("a sweep that hangs is answered at the deadline")
  mutating func sweepHangs() {
    let unmount = harness.unmount(within: .seconds(1))
    #expect(harness.advance(.seconds(1)).answer(to: unmount.id)?.error != nil)
    #expect(harness.tell(.swept(key, nil)).isEmpty)
    #expect(harness.keeper.nextDeadline == .never)
  }

  @Test("an end with all volumes unmounts every one, takes nothing new, and is answered last")
  mutating func shutdown() {
    harness.ready()
    let other = KeeperHarness.request("other")
    let starting = harness.ensure(other)
    let call = CallID(connection: 9, number: 1)
    let actions = harness.tell(.shutdown(call, unmountingAll: true, by: .never))
    #expect(actions.work == [.unmount(key, abandoningUsers: true)])
    let refused = harness.ensure(KeeperHarness.request("third"))
    #expect(refused.actions == [.answer(refused.id, .failed(.shuttingDown))])
    _ = harness.tell(.unmountEnded(key, .unmounted))
    _ = harness.tell(.workerExited(key, .exited(code: 0), output: []))
    #expect(harness.tell(.finished(key, nil)).work.isEmpty)
    _ = harness.tell(.mounted(other.key, connection: 9))
    _ = harness.tell(.unmountEnded(other.key, .unmounted))
    let last = harness.tell(.finished(other.key, nil))
    #expect(last.answer(to: starting.id) == .failed(.shuttingDown))
    #expect(last.answer(to: call) == .done)
    #expect(last.last == .exit)
  }

  @Test("an end without unmounting leaves everything as it is")
  mutating func plainShutdown() {
    harness.ready()
    let call = CallID(connection: 9, number: 1)
    #expect(harness.tell(.shutdown(call, unmountingAll: false, by: .never)) == [.answer(call, .done), .exit])
  }

  @Test("an end that is stuck is answered at its deadline")
  mutating func shutdownHangs() {
    harness.ready()
    let call = CallID(connection: 9, number: 1)
    _ = harness.tell(.shutdown(call, unmountingAll: true, by: harness.now.advanced(by: .seconds(3))))
    #expect(harness.advance(.seconds(3)).answer(to: call)?.error?.description.contains("1 volumes") == true)
  }

  @Test("a worker that dies while it stops fails the commands that wait for it")
  mutating func commandsFail() {
    harness.ready()
    let update = harness.call(.updateOptions(key, WorkerOptions()))
    _ = harness.unmount()
    let actions = harness.tell(.workerExited(key, .signaled(11), output: ["trap"]))
    #expect(actions.answer(to: update.id)?.error?.description.contains("SIGSEGV") == true)
  }
}
