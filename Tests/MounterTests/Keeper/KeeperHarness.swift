import LinuxSystem
import VolumeModel

@testable import Mounter

/// A keeper without processes, led by hand through events and time.
struct KeeperHarness {
  var keeper: Keeper
  var now = Deadline(nanoseconds: 1_000_000_000)
  private var lastCall: UInt64 = 0

  let key = WorkerKey(volumeID: "volume")
  var request: MountRequest { Self.request("volume") }

  init(limits: Keeper.Limits = .init()) { keeper = Keeper(limits: limits) }

  static func request(_ name: String, options: WorkerOptions = .init()) -> MountRequest {
    MountRequest(
      key: WorkerKey(volumeID: name),
      underFileSystem: UnderFileSystemURI(scheme: .file, authority: "", path: "/data/\(name)"),
      mountPoint: "/state/volumes/\(name)/mount", fileRoots: ["/data"], options: options)
  }

  mutating func tell(_ event: KeeperEvent) -> [KeeperAction] { keeper.handle(event, at: now) }

  /// A call of a client; its deadline counts from now.
  mutating func call(
    _ call: VolumeCall, within time: Duration = .seconds(100)
  ) -> (id: CallID, actions: [KeeperAction]) {
    lastCall += 1
    let id = CallID(connection: 1, number: lastCall)
    return (id, tell(.called(id, call, by: now.advanced(by: time))))
  }

  mutating func ensure(
    _ request: MountRequest? = nil, secrets: Bool = false, within time: Duration = .seconds(100)
  ) -> (id: CallID, actions: [KeeperAction]) {
    call(.ensureMounted(request ?? self.request, secrets: secrets), within: time)
  }

  mutating func unmount(
    abandoningUsers: Bool = false, within time: Duration = .seconds(100)
  ) -> (id: CallID, actions: [KeeperAction]) {
    call(.unmount(key, abandoningUsers: abandoningUsers), within: time)
  }

  /// Lets time pass, stopping at every moment that the keeper asks to be told of.
  mutating func advance(_ time: Duration) -> [KeeperAction] {
    let end = now.advanced(by: time)
    var actions: [KeeperAction] = []
    while keeper.nextDeadline <= end {
      now = max(now, keeper.nextDeadline)
      actions += tell(.timePassed)
    }
    now = end
    return actions
  }

  /// A volume that serves, with its worker's pid.
  mutating func ready(pid: Int32 = 42) {
    _ = ensure()
    _ = tell(.mounted(key, connection: 7))
    _ = tell(.workerStarted(key, pid: pid))
    _ = tell(.workerReported(key, id: 0, .ready))
  }

  /// A volume whose connection is gone.
  mutating func lost() {
    ready()
    _ = tell(.workerExited(key, .disconnected, output: []))
  }

  /// A volume whose workers die without having answered anything: the next one comes after a pause.
  mutating func waiting() {
    ready()
    _ = die()
    _ = tell(.workerStarted(key, pid: 43))
    _ = die()
  }

  mutating func die(_ exit: WorkerExit = .signaled(9), asked: Bool = true) -> [KeeperAction] {
    tell(.workerExited(key, exit, output: [], asked: asked))
  }

  /// The next worker comes up and serves.
  mutating func comeBack(pid: Int32) -> [KeeperAction] {
    tell(.workerStarted(key, pid: pid)) + tell(.workerReported(key, id: 0, .ready))
  }

  var status: WorkerStatus? { keeper.volumes[key]?.status }
}

extension [KeeperAction] {
  /// What a call was answered; nil when it was not.
  func answer(to call: CallID) -> CallResult? {
    for case .answer(call, let result) in self { return result }
    return nil
  }

  /// What subscribers were told.
  var published: [WorkerStatus.State] {
    compactMap { if case .publish(let status) = $0 { status.state } else { nil } }
  }

  /// Everything but answers and events.
  var work: [KeeperAction] {
    filter {
      switch $0 {
      case .answer, .publish: false
      default: true
      }
    }
  }
}

extension KeeperAction {
  var startsWorker: Bool { if case .startWorker = self { true } else { false } }
}

extension CallResult {
  var error: MounterError? { if case .failed(let error) = self { error } else { nil } }
  var status: WorkerStatus? { if case .status(let status) = self { status } else { nil } }
}
