import LinuxSystem
import Testing
import VolumeModel

@testable import Mounter

@Suite("The keeper passes on options and secrets")
struct KeeperCommandTests {
  var harness = KeeperHarness()
  var key: WorkerKey { harness.key }

  @Test("new options hold once the worker follows them")
  mutating func options() {
    harness.ready()
    var options = WorkerOptions()
    options.capacityBytes = 1 << 30
    let call = harness.call(.updateOptions(key, options))
    #expect(call.actions == [.command(key, id: 1, .updateOptions(options))])
    #expect(harness.status?.request.options.capacityBytes == nil)
    let status = harness.tell(.workerReported(key, id: 1, .completed)).answer(to: call.id)?.status
    #expect(status?.request.options == options)
    let repeated = harness.ensure(KeeperHarness.request("volume", options: options))
    #expect(repeated.actions.answer(to: repeated.id)?.status?.state == .ready)
    let old = harness.ensure()
    #expect(old.actions.answer(to: old.id)?.error?.description.contains("capacity") == true)
  }

  @Test("a worker that does not follow is answered for at the deadline")
  mutating func optionsHang() {
    harness.ready()
    let call = harness.call(.updateOptions(key, WorkerOptions()), within: .seconds(2))
    #expect(harness.advance(.seconds(2)).answer(to: call.id)?.error != nil)
    #expect(harness.tell(.workerReported(key, id: 1, .completed)).isEmpty)
    #expect(harness.status?.state == .ready)
  }

  @Test("options of a volume without a worker hold for its next one")
  mutating func optionsWhileFailed() {
    harness.lost()
    var options = WorkerOptions()
    options.readOnly = true
    let call = harness.call(.updateOptions(key, options))
    #expect(call.actions.answer(to: call.id)?.status?.request.options.readOnly == true)
  }

  @Test("an unknown volume has no options and no secrets", arguments: [true, false])
  mutating func unknown(_ secrets: Bool) {
    let call = harness.call(secrets ? .refreshSecrets(key) : .updateOptions(key, WorkerOptions()))
    #expect(call.actions == [.answer(call.id, .failed(.notMounted(key)))])
  }

  @Test("secrets of the first call are there before the worker starts")
  mutating func firstSecrets() {
    let call = harness.ensure(secrets: true)
    #expect(call.actions.work == [.takeSecrets(call.id, key), .mount(harness.request)])
  }

  @Test("secrets that come after the worker was configured are sent once it serves")
  mutating func lateSecrets() {
    _ = harness.ensure(secrets: true)
    _ = harness.tell(.mounted(key, connection: 7))
    let late = harness.ensure(secrets: true)
    #expect(late.actions.work == [.takeSecrets(late.id, key)])
    _ = harness.tell(.workerStarted(key, pid: 42))
    #expect(harness.tell(.workerReported(key, id: 0, .ready)).work == [.command(key, id: 0, .updateSecrets)])
  }

  @Test("a repeat with secrets refreshes the worker and is answered when it has them")
  mutating func repeatedSecrets() {
    harness.ready()
    let call = harness.ensure(secrets: true)
    #expect(call.actions == [.takeSecrets(call.id, key), .command(key, id: 1, .updateSecrets)])
    #expect(harness.tell(.workerReported(key, id: 1, .completed)).answer(to: call.id)?.status?.state == .ready)
  }

  @Test("refreshed secrets are done when the worker has them, and kept for the next worker where there is none")
  mutating func refresh() {
    harness.ready()
    let call = harness.call(.refreshSecrets(key))
    #expect(call.actions == [.takeSecrets(call.id, key), .command(key, id: 1, .updateSecrets)])
    #expect(harness.tell(.workerReported(key, id: 1, .completed)) == [.answer(call.id, .done)])
    _ = harness.tell(.workerExited(key, .disconnected, output: []))
    let kept = harness.call(.refreshSecrets(key))
    #expect(kept.actions == [.takeSecrets(kept.id, key), .answer(kept.id, .done)])
  }

  @Test("credentials that the store refuses are a problem of the volume until it has taken some")
  mutating func refusedCredentials() {
    harness.ready()
    _ = harness.ensure(secrets: true)
    let refused = WorkerReport.credentials(revision: 1, problem: "the signature is wrong")
    let actions = harness.tell(.workerReported(key, id: 0, refused))
    #expect(actions.work.isEmpty)
    #expect(actions.contains { if case .publish(let status) = $0 { status.credentialProblem != nil } else { false } })
    #expect(harness.status?.state == .ready)
    #expect(harness.status?.credentialProblem == "the signature is wrong")
    // The worker goes on with those before, and so does the next one.
    _ = harness.die()
    #expect(harness.status?.credentialProblem == "the signature is wrong")
    _ = harness.tell(.workerStarted(key, pid: 43))
    _ = harness.tell(.workerReported(key, id: 0, .ready))
    _ = harness.tell(.workerReported(key, id: 0, .credentials(revision: 2, problem: nil)))
    #expect(harness.status?.credentialProblem == nil)
  }

  @Test("a request for another object store is refused with what differs, and for another page store it is the same")
  mutating func otherStore() {
    var request = KeeperHarness.request("volume")
    request.objectStore = ObjectStoreRequest(
      properties: ObjectStoreProperties(), usesNodeCredentials: true, pageStore: "/pages", pageStoreBytes: 1 << 30)
    _ = harness.ensure(request)
    _ = harness.tell(.mounted(key, connection: 7))
    _ = harness.tell(.workerStarted(key, pid: 42))
    _ = harness.tell(.workerReported(key, id: 0, .ready))
    var moved = request
    moved.objectStore?.pageStore = "/elsewhere"
    let same = harness.ensure(moved)
    #expect(same.actions.answer(to: same.id)?.status?.state == .ready)
    for (change, name) in [
      ({ $0.pageStoreBytes = 1 }, "pageStoreSize"), ({ $0.pageSize = 1 << 16 }, "pageSize"),
      ({ $0.cachePassthrough = true }, "cachePassthrough"), ({ $0.usesNodeCredentials = false }, "credentials"),
      ({ $0.properties.region = "eu" }, "endpoint or region"),
    ] as [((inout ObjectStoreRequest) -> Void, String)] {
      var other = request
      var store = ObjectStoreRequest(
        properties: ObjectStoreProperties(), usesNodeCredentials: true, pageStore: "/pages", pageStoreBytes: 1 << 30)
      change(&store)
      other.objectStore = store
      let call = harness.ensure(other)
      #expect(call.actions.answer(to: call.id)?.error?.description.contains(name) == true)
    }
  }

  @Test("a volume that another process served is taken over as it is")
  mutating func adopted() {
    var volume = Volume(request: harness.request, phase: .ready)
    volume.pid = 42
    volume.generation = 3
    harness.keeper.adopt(volume)
    #expect(harness.status?.restarts == 2)
    let call = harness.ensure()
    #expect(call.actions.answer(to: call.id)?.status?.pid == 42)
    #expect(harness.die(.unknown).work == [.startWorker(key, generation: 4)])
  }
}
