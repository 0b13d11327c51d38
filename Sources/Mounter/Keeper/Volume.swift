internal import LinuxSystem
internal import VolumeModel

/// One volume as the keeper knows it.
struct Volume: Hashable, Sendable {
  var request: MountRequest
  var phase: Phase
  /// Of the last change of `status`.
  var revision: UInt64 = 0
  /// Of the living worker.
  var pid: Int32?
  /// Minor device number of the mount; 0 before there is one.
  var connection: UInt32 = 0
  /// How many workers this mount has had.
  var generation: UInt32 = 0
  /// Calls that wait for the worker to serve.
  var starters: [Waiter] = []
  /// Calls that wait for the volume to be gone.
  var stoppers: [Waiter] = []
  /// Calls that have to wait until what goes on now is over, in the order in which they came.
  var queue: [QueuedCall] = []
  /// Commands that the worker has not completed, by id.
  var commands: [UInt64: PendingCommand] = [:]
  /// When the present phase or stage has taken too long.
  var timer = Deadline.never
  /// Secrets came after the worker had been given its own.
  var secretsAreNewer = false
  var history = WorkerHistory()
  /// When the living worker was started, in milliseconds of CLOCK_MONOTONIC.
  var startedAt: UInt64?
  /// When the living worker said that it serves.
  var readySince: Deadline?
  var watch = WorkerWatch()
  /// Workers in a row that were killed for a request that did not end.
  var hungWorkers = 0
  /// The living worker has answered a request.
  var hasAnswered = false
  /// The last worker that died had taken a request.
  var wasAsked = true
  /// Workers in a row that ended without having answered anything, and are to blame for it.
  var silentDeaths = 0
  /// Workers in a row that served, were asked nothing, and were killed by somebody.
  var idleDeaths = 0
  /// Since when no worker serves a mount that had one.
  var interruptedSince: Deadline?
  /// The build that the next worker is started of, or that the living one was.
  var program = 0
  /// The build before, until the present one has served.
  var formerProgram: Int?
  /// The last build that could not serve it.
  var rejectedProgram: Int?
  /// Why the worker does not use the last secrets that it was given.
  var credentialProblem: String?
  /// How the last worker ended, until the next one serves.
  var trouble: String?

  /// Where the volume is on its way from nothing to nothing.
  ///
  ///     mounting ─▶ starting ─▶ ready ─▶ stopping ─▶ gone
  ///        │         │  ▲ ▲       │          ▲
  ///        │         ▼  │ └───────┤          │
  ///        │       waiting ◀──────┼──────────┤
  ///        │                  failed ────────┤
  ///        └─────────────────────────────────┘
  ///
  /// and from ready by way of draining to the start of another worker.
  enum Phase: Hashable, Sendable {
    /// The mount step runs. `cancelled`: nobody wants its result any more, and what to answer.
    case mounting(cancelled: MounterError?)
    /// A worker was started and has not said that it serves. `givenUp`: it has been killed, and why.
    case starting(givenUp: MounterError?)
    case ready
    /// The worker makes way for another.
    case draining(Draining)
    /// The worker is gone and the next one is started when the timer says so; whoever uses the mount waits for it.
    case waiting
    /// The connection is gone: no worker can serve the mount.
    case failed(reason: String)
    case stopping(Stopping)
    /// Another mounter has it, and has not said yet that it has them all.
    case handedOver
    /// Nothing is left; the keeper forgets the volume.
    case gone
  }

  /// The way down.
  struct Stopping: Hashable, Sendable {
    enum Stage: Hashable, Sendable {
      case unmounting, detaching
      /// The mount is gone, the worker has been asked to go.
      case endingWorker
      case killingWorker
      /// The worker does not die: the kernel holds it.
      case stuck
      case finishing
    }
    var stage = Stage.unmounting
    /// Users lose the mount.
    var abandoningUsers: Bool
    /// An unmount runs on a thread of its own.
    var unmountRuns = true
    /// The phase to return to where the mount turns out to be in use. Nil: there is no way back.
    var former: Former?
    /// What starters are told at the end.
    var startError: MounterError?

    /// Follows what happens to the worker meanwhile.
    enum Former: Hashable, Sendable {
      case starting(givenUp: MounterError?)
      case ready
      case waiting
      case failed(reason: String)
    }
  }

  /// What the mounter says of the volume.
  var status: WorkerStatus {
    let state: WorkerStatus.State =
      switch phase {
      case .starting(.some(let error)) where isRestarted: .interrupted(reason: error.description)
      case .starting where isRestarted, .waiting, .draining: .interrupted(reason: interruption)
      case .mounting, .starting(givenUp: nil): .starting
      case .starting(.some(let error)): .failed(reason: error.description)
      case .handedOver: .ready
      case .ready: watch.concern.map { .interrupted(reason: $0) } ?? .ready
      case .failed(let reason): .failed(reason: reason)
      case .stopping(let stopping) where stopping.stage == .stuck: .failed(reason: Keeper.stuckSentence(pid))
      case .stopping, .gone: .stopping
      }
    var status = WorkerStatus(
      request: request, state: state, pid: pid, connection: connection, restarts: generation > 1 ? generation - 1 : 0,
      startedAt: startedAt, history: history, revision: revision)
    status.credentialProblem = credentialProblem
    return status
  }

  /// The mount has been served before: its users are not sent away when a start fails.
  var isRestarted: Bool { generation > 1 }
}

/// A call that waits.
struct Waiter: Hashable, Sendable {
  var call: CallID
  /// When it must have been answered.
  var deadline: Deadline
  /// When the work has to be given up, so that it can be undone before the deadline.
  var patience: Deadline

  init(_ call: CallID, by deadline: Deadline, now: Deadline) {
    self.call = call
    self.deadline = deadline
    let left = deadline.remaining(at: now)
    let margin = min(left / 5, Waiter.undoing)
    patience = deadline == .never ? .never : now.advanced(by: left - margin)
  }

  /// Time set aside for undoing what a failed call began: unmounting and ending a worker takes some 20 ms.
  private static let undoing = Duration.milliseconds(500)
}

/// A call that was not begun yet.
struct QueuedCall: Hashable, Sendable {
  var call: CallID
  var volumeCall: VolumeCall
  var deadline: Deadline
}

/// A command that a worker has not completed.
struct PendingCommand: Hashable, Sendable {
  var call: CallID
  var deadline: Deadline
  /// What the volume's options are once it is done.
  var options: WorkerOptions?
  /// Answer with the status, else with done.
  var answersStatus: Bool
}
