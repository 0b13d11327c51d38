import LinuxSystem
import SystemPackage
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper starts volumes")
struct KeeperStartTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  @Test("a new volume is mounted, given a worker, and answered when that serves")
  mutating func start() {
    let call = harness.ensure()
    #expect(call.actions.work == [.mount(harness.request)])
    #expect(call.actions.published == [.starting])
    #expect(harness.tell(.mounted(key, connection: 7)).work == [.startWorker(key, generation: 1)])
    #expect(harness.tell(.workerStarted(key, pid: 42)).answer(to: call.id) == nil)
    let actions = harness.tell(.workerReported(key, id: 0, .ready))
    let status = actions.answer(to: call.id)?.status
    #expect(status?.state == .ready)
    #expect(status?.pid == 42)
    #expect(status?.connection == 7)
    #expect(status?.restarts == 0)
    #expect(actions.published == [.ready])
    #expect(harness.keeper.nextDeadline == .never)
    #expect(status?.startedAt == 1_000)
    #expect(status?.history == WorkerHistory())
  }

  @Test("ten calls for one volume share its start and are all answered")
  mutating func sharedStart() {
    let calls = (0..<10).map { _ in harness.ensure() }
    #expect(calls.dropFirst().allSatisfy { $0.actions.isEmpty })
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let actions = harness.tell(.workerReported(key, id: 0, .ready))
    #expect(calls.allSatisfy { actions.answer(to: $0.id)?.status?.state == .ready })
  }

  @Test("a volume that serves is answered at once")
  mutating func repeated() {
    harness.ready()
    let call = harness.ensure()
    #expect(call.actions == [.answer(call.id, .status(harness.status!))])
  }

  @Test("other allowed roots make no other volume")
  mutating func otherRoots() {
    harness.ready()
    var request = harness.request
    request.fileRoots = ["/data", "/more"]
    let call = harness.ensure(request)
    #expect(call.actions.answer(to: call.id)?.status?.state == .ready)
  }

  @Test("a repeat that differs is refused with what differs", arguments: ["ready", "starting", "failed", "waiting"])
  mutating func incompatible(_ state: String) {
    switch state {
    case "ready": harness.ready()
    case "failed": harness.lost()
    case "waiting": harness.waiting()
    default: _ = harness.ensure()
    }
    var options = WorkerOptions()
    options.uid = 5
    options.umask = 0o22
    let call = harness.ensure(KeeperHarness.request("volume", options: options))
    let expected = MounterError.incompatible(key: key, difference: "set of options (uid, umask)")
    #expect(call.actions == [.answer(call.id, .failed(expected))])
    var request = harness.request
    request.underFileSystem = UnderFileSystemURI(scheme: .file, authority: "", path: "/other")
    let other = harness.ensure(request)
    #expect(other.actions.answer(to: other.id)?.error?.description.contains("file:///data/volume") == true)
  }

  @Test("a mount that fails is answered with its reason and leaves nothing")
  mutating func mountFails() {
    let call = harness.ensure()
    let error = MounterError.underFileSystemAbsent(path: "/data/volume")
    #expect(harness.tell(.mountFailed(key, error)) == [.answer(call.id, .failed(error))])
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("a worker that cannot be started leaves nothing")
  mutating func workerNotStarted() {
    let call = harness.ensure()
    _ = harness.tell(.mounted(key, connection: 7))
    let error = MounterError.system(.noSuchFileOrDirectory, step: "starting /x")
    #expect(harness.tell(.workerNotStarted(key, error)).work == [.unmount(key, abandoningUsers: true)])
    #expect(harness.tell(.unmountEnded(key, .unmounted)).work == [.finish(key)])
    #expect(harness.tell(.finished(key, nil)).answer(to: call.id) == .failed(error))
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("a worker that exits before it serves is answered with its last words, and all is undone first")
  mutating func workerExits() {
    let call = harness.ensure()
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let exit = harness.tell(.workerExited(key, .exited(code: 3), output: ["oh no"]))
    #expect(exit.answer(to: call.id) == nil)
    #expect(exit.work == [.unmount(key, abandoningUsers: true)])
    #expect(harness.tell(.unmountEnded(key, .unmounted)).work == [.finish(key)])
    let error = MounterError.workerFailed(reason: "the worker exited with code 3", output: ["oh no"])
    #expect(harness.tell(.finished(key, nil)).answer(to: call.id) == .failed(error))
  }

  @Test("a worker that says why it cannot serve is ended, and its reason is the answer")
  mutating func workerReportsFailure() {
    let call = harness.ensure()
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    #expect(harness.tell(.workerReported(key, id: 0, .failed(reason: "no memory"))).work == [.kill(key)])
    _ = harness.tell(.workerExited(key, .signaled(9), output: ["line"]))
    _ = harness.tell(.unmountEnded(key, .unmounted))
    let answer = harness.tell(.finished(key, nil)).answer(to: call.id)
    #expect(answer == .failed(.workerFailed(reason: "no memory", output: ["line"])))
  }

  @Test("an object store that refuses the volume is the answer, with its kind, once all is undone")
  mutating func storeRefuses() {
    let call = harness.ensure()
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let report = WorkerReport.refused(.credentials, reason: "the store does not know the key")
    #expect(harness.tell(.workerReported(key, id: 0, report)).work == [.kill(key)])
    _ = harness.tell(.workerExited(key, .exited(code: 1), output: ["a line that says less"]))
    _ = harness.tell(.unmountEnded(key, .unmounted))
    let answer = harness.tell(.finished(key, nil)).answer(to: call.id)
    #expect(answer == .failed(.underFileSystemRefused(.credentials, sentence: "the store does not know the key")))
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("a worker is told how long its volume is waited for, and never longer than a start may take")
  mutating func startTimeout() throws {
    _ = harness.ensure(within: .seconds(10))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let volume = try #require(harness.keeper.volumes[key])
    // Half a second is for undoing it.
    #expect(volume.startTimeout(at: harness.now) == 9_500)
    #expect(volume.startTimeout(at: harness.now.advanced(by: .seconds(20))) == 1)
    _ = harness.ensure(within: .seconds(1_000))
    #expect(harness.keeper.volumes[key]?.startTimeout(at: harness.now) == 60_000)
    _ = harness.tell(.workerReported(key, id: 0, .ready))
    #expect(harness.keeper.volumes[key]?.startTimeout(at: harness.now) == 0)
  }

  @Test("a worker that never serves is killed in time for everything to be undone before the caller's deadline")
  mutating func neverReady() {
    let call = harness.ensure(within: .seconds(10))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    #expect(harness.advance(.milliseconds(9_400)).isEmpty)
    #expect(harness.advance(.milliseconds(200)).work == [.kill(key)])
    #expect(harness.tell(.workerExited(key, .signaled(9), output: [])).work == [.unmount(key, abandoningUsers: true)])
    _ = harness.tell(.unmountEnded(key, .unmounted))
    let answer = harness.tell(.finished(key, nil)).answer(to: call.id)
    #expect(answer?.error?.description.contains("waiting for the volume's FUSE process") == true)
    #expect(harness.keeper.volumes.isEmpty)
  }

  @Test("without any caller's deadline a start has the mounter's own limit, which progress extends")
  mutating func ownLimit() {
    _ = harness.tell(
      .called(CallID(connection: 1, number: 1), .ensureMounted(harness.request, secrets: false), by: .never))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    #expect(harness.advance(.seconds(59)).isEmpty)
    _ = harness.tell(.workerReported(key, id: 0, .progress("reading nodes")))
    #expect(harness.advance(.seconds(59)).isEmpty)
    #expect(harness.advance(.seconds(2)).work == [.kill(key)])
  }

  @Test("a caller with a nearer deadline is told, and the start goes on for the others")
  mutating func oneCallerGivesUp() {
    let hasty = harness.ensure(within: .seconds(1))
    let patient = harness.ensure(within: .seconds(50))
    let actions = harness.advance(.seconds(2))
    #expect(actions.answer(to: hasty.id)?.error != nil)
    #expect(actions.work.isEmpty)
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    #expect(harness.tell(.workerReported(key, id: 0, .ready)).answer(to: patient.id)?.status?.state == .ready)
  }

  @Test("a mount step that hangs is answered at the deadline and undone when it comes back")
  mutating func mountHangs() {
    let call = harness.ensure(within: .seconds(10))
    let actions = harness.advance(.seconds(10))
    #expect(actions.answer(to: call.id)?.error?.description.contains("opening file:///data/volume") == true)
    let next = harness.ensure(within: .seconds(100))
    #expect(next.actions.isEmpty)
    #expect(harness.tell(.mounted(key, connection: 7)).work == [.unmount(key, abandoningUsers: true)])
    _ = harness.tell(.unmountEnded(key, .unmounted))
    #expect(harness.tell(.finished(key, nil)).work == [.mount(harness.request)])
  }

  @Test("a client that goes away stops nothing")
  mutating func clientGone() {
    let call = harness.ensure()
    _ = harness.tell(.connectionClosed(1))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let actions = harness.tell(.workerReported(key, id: 0, .ready))
    #expect(actions.answer(to: call.id) == nil)
    #expect(harness.status?.state == .ready)
  }

  @Test("a worker that does not die of SIGKILL is said to be stuck, and its death goes on with the clean-up")
  mutating func stuckStart() {
    let call = harness.ensure(within: .seconds(5))
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    let actions = harness.advance(.seconds(60))
    #expect(actions.work == [.kill(key)])
    #expect(actions.answer(to: call.id)?.error != nil)
    guard case .failed(let reason) = harness.status?.state else { return #expect(Bool(false)) }
    #expect(reason.contains("pid 42") && reason.contains("uninterruptible"))
    #expect(harness.tell(.workerExited(key, .signaled(9), output: [])).work == [.unmount(key, abandoningUsers: true)])
  }

  @Test("events that fit nothing change nothing")
  mutating func strayEvents() {
    let strays: [KeeperEvent] = [
      .mounted(key, connection: 9), .mountFailed(key, .shuttingDown), .workerStarted(key, pid: 1),
      .workerExited(key, .unknown, output: []), .unmountEnded(key, .unmounted), .finished(key, nil), .swept(key, nil),
      .workerReported(key, id: 9, .completed), .timePassed, .connectionClosed(77),
    ]
    for event in strays { #expect(harness.tell(event).isEmpty) }
    harness.ready()
    let before = harness.keeper.volumes
    for event in strays.filter({
      if case .workerExited = $0 { false } else if case .workerStarted = $0 { false } else { true }
    }) {
      #expect(harness.tell(event).isEmpty)
    }
    #expect(harness.keeper.volumes == before)
  }
}
