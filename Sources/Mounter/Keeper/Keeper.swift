internal import LinuxSystem
internal import VolumeModel

/// Every volume of a mounter and what has to happen next: a value that is told of events and names actions. It knows no
/// processes, no descriptors and no clock of its own, so that a test can lead it anywhere.
struct Keeper: Sendable {
  /// How long the mounter waits where no caller's deadline is nearer.
  struct Limits: Sendable {
    /// From the call to a worker that serves. A worker that reports progress gets as much again.
    var start = Duration.seconds(60)
    /// For umount2(2), which writes back what is dirty.
    var unmount = Duration.seconds(10)
    /// For a worker to finish what is in flight.
    var politeStop = Duration.seconds(10)
    /// For a process to die of SIGKILL.
    var kill = Duration.seconds(5)
    /// For a worker to say that it works; nil: it is not asked.
    var watch: WatchLimits?
  }

  /// When a worker that does not answer is reported and ended.
  struct WatchLimits: Sendable {
    /// Between questions.
    var interval: Duration
    /// Without an answer, or at work on one request, until the condition says so.
    var notice: Duration
    /// Until the worker is killed.
    var kill: Duration

    init(notice: Duration, kill: Duration) {
      self.notice = notice
      self.kill = kill
      interval = min(notice / 2, .seconds(5))
    }
  }

  let limits: Limits
  var volumes: [WorkerKey: Volume] = [:]
  /// Keys that are unknown and being cleared of what an earlier mounter left, with the calls that wait for that.
  private(set) var sweeps: [WorkerKey: [QueuedCall]] = [:]
  /// The mounter is asked to end once nothing is left.
  private var shutdown: Waiter?
  private(set) var isEnding = false
  private var lastCommand: UInt64 = 0
  /// The connection of a mounter that takes over volume after volume.
  var taker: UInt64?
  /// The build that workers are started of.
  var program = 0
  /// Volumes move to another build.
  var roll: Roll?
  /// How many events there have been.
  private var revision: UInt64 = 0

  init(limits: Limits = Limits()) { self.limits = limits }

  /// The status of every volume.
  var statuses: [WorkerStatus] { volumes.values.map(\.status) }

  /// When ``handle(_:at:)`` wants to be told that time has passed.
  var nextDeadline: Deadline {
    var next = shutdown?.deadline ?? .never
    for volume in volumes.values { next = min(next, volume.nextDeadline) }
    for calls in sweeps.values { next = min(next, calls.map(\.deadline).min() ?? .never) }
    return next
  }

  /// Takes a volume that an earlier mounter had made.
  mutating func adopt(_ volume: Volume) {
    volumes[volume.request.key] = volume
    volumes[volume.request.key]?.program = program
    revision = max(revision, volume.revision)
  }

  /// The key is not known, and nothing is being done about what may be left of it.
  func canAdopt(_ key: WorkerKey) -> Bool { !isEnding && taker == nil && volumes[key] == nil && sweeps[key] == nil }

  /// What has to be done now that `event` has happened, in order.
  mutating func handle(_ event: KeeperEvent, at now: Deadline) -> [KeeperAction] {
    revision += 1
    var turn = Turn(now: now, limits: limits, lastCommand: lastCommand)
    switch event {
    case .called(let call, let volumeCall, let deadline):
      take(QueuedCall(call: call, volumeCall: volumeCall, deadline: deadline), &turn)
    case .shutdown(let call, let unmountingAll, let deadline):
      shutDown(Waiter(call, by: deadline, now: now), unmountingAll: unmountingAll, &turn)
    case .takeOver(let call): beginTakeOver(call, &turn)
    case .endTakeOver(let call): endTakeOver(call, &turn)
    case .connectionClosed(let connection):
      forgetWaiters(of: connection)
      if connection == taker { reclaim(&turn) }
    case .programFound(let program): beginRoll(to: program)
    case .timePassed: timePassed(&turn)
    case .swept(let key, let error): swept(key, error, &turn)
    case .mounted(let key, _), .mountFailed(let key, _), .workerStarted(let key, _), .workerNotStarted(let key, _),
      .workerReported(let key, _, _), .workerExited(let key, _, _, _), .unmountEnded(let key, _), .finished(let key, _):
      change(key, &turn) { $0.handle(event, &$1) }
    }
    advanceRoll(&turn)
    if isEnding, volumes.isEmpty, sweeps.isEmpty {
      if let waiter = shutdown.take() { turn.actions.append(.answer(waiter.call, .done)) }
      turn.actions.append(.exit)
    }
    lastCommand = turn.lastCommand
    return turn.actions
  }

  /// What is said of a worker that SIGKILL did not end.
  static func stuckSentence(_ pid: Int32?) -> String {
    """
    the worker\(pid.map { " (pid \($0))" } ?? "") does not end although it was killed: it waits in the kernel \
    (uninterruptible sleep), most likely for its under file system
    """
  }

  /// One visit to the keeper: when it is, and what comes of it.
  struct Turn {
    let now: Deadline
    let limits: Limits
    var lastCommand: UInt64
    var actions: [KeeperAction] = []

    mutating func nextCommand() -> UInt64 {
      lastCommand += 1
      return lastCommand
    }
  }
}

// MARK: Calls

extension Keeper {
  /// Begins a call, or lets it wait for what its volume is busy with.
  private mutating func take(_ queued: QueuedCall, _ turn: inout Turn) {
    let key = queued.volumeCall.key
    if isEnding, case .unmount = queued.volumeCall {
    } else if isEnding {
      return turn.actions.append(.answer(queued.call, .failed(.shuttingDown)))
    }
    // Others are told to come again; so is whoever asks for a volume without having said that it takes over.
    let isHandOver = if case .handOver = queued.volumeCall { true } else { false }
    if isHandOver ? taker != queued.call.connection : taker != nil {
      return turn.actions.append(.answer(queued.call, .failed(.shuttingDown)))
    }
    if volumes[key] != nil {
      change(key, &turn) { $0.take(queued, &$1) }
    } else if sweeps[key] != nil {
      sweeps[key]?.append(queued)
    } else {
      takeUnknown(queued, &turn)
    }
  }

  /// A call for a key that has no volume.
  private mutating func takeUnknown(_ queued: QueuedCall, _ turn: inout Turn) {
    let key = queued.volumeCall.key
    switch queued.volumeCall {
    case .ensureMounted(let request, let secrets):
      if secrets { turn.actions.append(.takeSecrets(queued.call, key)) }
      var volume = Volume(request: request, phase: .mounting(cancelled: nil))
      volume.revision = revision
      volume.program = program
      volume.starters = [Waiter(queued.call, by: queued.deadline, now: turn.now)]
      volume.timer = turn.now.advanced(by: limits.start)
      volumes[key] = volume
      turn.actions.append(.mount(request))
      turn.actions.append(.publish(volume.status))
    case .unmount:
      sweeps[key] = [queued]
      turn.actions.append(.sweep(key))
    case .refreshSecrets, .updateOptions, .handOver:
      turn.actions.append(.answer(queued.call, .failed(.notMounted(key))))
    }
  }

  private mutating func swept(_ key: WorkerKey, _ error: MounterError?, _ turn: inout Turn) {
    guard var waiting = sweeps.removeValue(forKey: key) else { return }
    // Unmounts that wait at the front are served by this sweep; what came after them starts anew.
    while let first = waiting.first, case .unmount = first.volumeCall {
      turn.actions.append(.answer(first.call, error.map { .failed($0) } ?? .done))
      waiting.removeFirst()
    }
    for queued in waiting { take(queued, &turn) }
  }

  private mutating func shutDown(_ waiter: Waiter, unmountingAll: Bool, _ turn: inout Turn) {
    guard unmountingAll else {
      turn.actions.append(.answer(waiter.call, .done))
      return turn.actions.append(.exit)
    }
    if taker != nil { return turn.actions.append(.answer(waiter.call, .failed(.shuttingDown))) }
    if let other = shutdown { turn.actions.append(.answer(other.call, .failed(.shuttingDown))) }
    shutdown = waiter
    isEnding = true
    for key in volumes.keys { change(key, &turn) { $0.end(&$1) } }
  }

  private mutating func forgetWaiters(of connection: UInt64) {
    if shutdown?.call.connection == connection { shutdown = nil }
    for key in volumes.keys { volumes[key]?.forgetWaiters(of: connection) }
    for key in sweeps.keys { sweeps[key]?.removeAll { $0.call.connection == connection } }
  }

  private mutating func timePassed(_ turn: inout Turn) {
    if let waiter = shutdown, waiter.deadline <= turn.now {
      turn.actions.append(.answer(waiter.call, .failed(.deadline(step: "unmounting \(volumes.count) volumes"))))
      shutdown = nil
    }
    for (key, calls) in sweeps {
      for late in calls where late.deadline <= turn.now {
        let step = "removing what an earlier mounter had left of the volume"
        turn.actions.append(.answer(late.call, .failed(.deadline(step: step))))
      }
      sweeps[key] = calls.filter { $0.deadline > turn.now }
    }
    for (key, volume) in volumes where volume.nextDeadline <= turn.now {
      change(key, &turn) { $0.timePassed(&$1) }
    }
  }

  /// Lets a volume change, then begins the calls that have waited for that, and tells subscribers of a new state.
  mutating func change(_ key: WorkerKey, _ turn: inout Turn, _ body: (inout Volume, inout Turn) -> Void) {
    guard var volume = volumes[key] else { return }
    let before = volume.status
    let start = turn.actions.count
    body(&volume, &turn)
    while volume.takesCalls, !volume.queue.isEmpty { volume.take(volume.queue.removeFirst(), &turn) }
    if volume.phase == .gone {
      volumes[key] = nil
      for queued in volume.queue { take(queued, &turn) }
      return
    }
    if volume.status != before {
      volume.revision = revision
      for index in turn.actions[start...].indices { turn.actions[index].setRevision(revision) }
      // Before any answer: who keeps copies must know what a caller knows.
      turn.actions.insert(.publish(volume.status), at: start)
    }
    volumes[key] = volume
  }
}
