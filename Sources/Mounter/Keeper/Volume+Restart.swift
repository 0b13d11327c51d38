internal import LinuxSystem
internal import VolumeModel

/// What becomes of a mount whose worker has ended: the next worker on the same connection and the same shared state. At
/// once, unless workers die without having answered anything, though they were asked.
extension Volume {
  /// A worker that waited so long for a first request is no sick one.
  private static let settled = Duration.seconds(5)
  /// Whoever kills more young workers than that, asked nothing, one after the other, does so for a reason that stays.
  private static let toleratedIdleDeaths = 20
  private static let shortestPause = Duration.milliseconds(10)
  private static let longestPause = Duration.seconds(10)
  /// Of a cause that stays in the history: a status travels with all of them.
  private static let longestReason = 300

  /// A worker that had been asked for has ended, or could not be started.
  mutating func noteDeath(_ exit: WorkerExit, pid: Int32?, _ turn: Keeper.Turn) {
    var kept = exit
    if case .notServing(let reason) = exit { kept = .notServing(reason: String(reason.prefix(Self.longestReason))) }
    history.note(WorkerDeath(exit: kept, pid: pid ?? 0, moment: turn.now.milliseconds))
    if interruptedSince == nil { interruptedSince = turn.now }
    let lived = readySince.map { turn.now >= $0.advanced(by: Self.settled) } ?? false
    if hasAnswered || lived {
      (silentDeaths, idleDeaths) = (0, 0)
    } else if readySince != nil, !wasAsked, exit.isByAnother, idleDeaths < Self.toleratedIdleDeaths {
      idleDeaths += 1
    } else {
      silentDeaths += 1
    }
    trouble = exit.sentence
    hasAnswered = false
    wasAsked = true
    readySince = nil
    startedAt = nil
    // What the dead worker was told and had not done, the next one is started with.
    for id in commands.keys.sorted() {
      if let options = commands[id]?.options { request.options = options }
    }
  }

  /// Starts the next worker now or soon; never on a connection that is gone.
  mutating func restart(after exit: WorkerExit, _ turn: inout Keeper.Turn) {
    if exit == .disconnected {
      failCommands(.workerFailed(reason: exit.sentence, output: []), &turn)
      timer = .never
      phase = .failed(reason: exit.sentence)
    } else if pauseBeforeRestart == .zero {
      startWorker(&turn)
    } else {
      phase = .waiting
      timer = turn.now.advanced(by: pauseBeforeRestart)
    }
  }

  /// The first death without an answer may be chance; each further one doubles the pause.
  private var pauseBeforeRestart: Duration {
    silentDeaths < 2 ? .zero : min(Self.shortestPause * (1 << min(silentDeaths - 2, 20)), Self.longestPause)
  }

  /// The worker serves: whoever has waited goes on.
  mutating func resumed(_ turn: Keeper.Turn) {
    readySince = turn.now
    trouble = nil
    guard let since = interruptedSince.take() else { return }
    history.notePause(turn.now.milliseconds - since.milliseconds)
  }

  /// Why users wait at the moment.
  var interruption: String {
    let reason = trouble ?? "the worker is gone"
    let next =
      pauseBeforeRestart == .zero
      ? "the next one is being started"
      : "\(silentDeaths) in a row have ended without answering anything, and the next one is started after a pause"
    return "\(reason); \(next)"
  }
}

extension WorkerExit {
  /// Somebody else's signal: programs raise others when they fail.
  fileprivate var isByAnother: Bool {
    switch self {
    case .signaled(let signal): [1, 2, 3, 9, 15].contains(signal)
    case .exited, .outOfMemory, .unanswering, .notServing, .disconnected, .replaced, .unknown: false
    }
  }
}

extension Deadline {
  /// Milliseconds of CLOCK_MONOTONIC.
  var milliseconds: UInt64 { nanoseconds / 1_000_000 }
}
