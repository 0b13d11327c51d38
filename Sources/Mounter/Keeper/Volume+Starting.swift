internal import LinuxSystem
internal import VolumeModel

extension Volume {
  /// What an event of its own makes of the volume.
  mutating func handle(_ event: KeeperEvent, _ turn: inout Keeper.Turn) {
    switch event {
    case .mounted(_, let connection): mounted(connection, &turn)
    case .mountFailed(_, let error): mountFailed(error, &turn)
    case .workerStarted(_, let pid): workerStarted(pid, &turn)
    case .workerNotStarted(_, let error): startFailed(error, .notServing(reason: error.description), &turn)
    case .workerReported(_, let id, let report): workerReported(id, report, &turn)
    case .workerExited(_, let exit, let output, let asked):
      wasAsked = asked
      workerExited(exit, output, &turn)
    case .unmountEnded(_, let outcome): unmountEnded(outcome, &turn)
    case .finished(_, let error): finished(error, &turn)
    case .called, .shutdown, .takeOver, .endTakeOver, .connectionClosed, .swept, .programFound, .timePassed: break
    }
  }

  private mutating func mounted(_ connection: UInt32, _ turn: inout Keeper.Turn) {
    guard case .mounting(let cancelled) = phase else { return }
    self.connection = connection
    if let cancelled { return undoStart(cancelled, &turn) }
    startWorker(&turn)
  }

  private mutating func mountFailed(_ error: MounterError, _ turn: inout Keeper.Turn) {
    guard case .mounting(let cancelled) = phase else { return }
    answer(starters: .failed(cancelled ?? error), &turn)
    phase = .gone
  }

  /// Starts the first worker of the mount, or the next.
  mutating func startWorker(_ turn: inout Keeper.Turn) {
    phase = .starting(givenUp: nil)
    generation += 1
    secretsAreNewer = false
    timer = turn.now.advanced(by: turn.limits.start)
    turn.actions.append(.startWorker(request.key, generation: generation))
  }

  private mutating func workerStarted(_ pid: Int32, _ turn: inout Keeper.Turn) {
    self.pid = pid
    startedAt = turn.now.milliseconds
    if case .starting(.some) = phase { return turn.actions.append(.kill(request.key)) }
    turn.actions.append(.configureWorker(request.key))
  }

  private mutating func workerReported(_ id: UInt64, _ report: WorkerReport, _ turn: inout Keeper.Turn) {
    switch (report, phase) {
    // A worker that was taken over had said so to an earlier mounter; that it takes commands says the same.
    case (.ready, .starting(givenUp: nil)), (.completed, .starting(givenUp: nil)): serve(&turn)
    case (.progress, .starting(givenUp: nil)): timer = turn.now.advanced(by: turn.limits.start)
    case (.failed(let reason), .starting(givenUp: nil)): giveUpStart(.workerFailed(reason: reason, output: []), &turn)
    case (.refused(let refusal, let reason), .starting(givenUp: nil)):
      giveUpStart(.underFileSystemRefused(refusal, sentence: reason), &turn)
    case (.credentials(_, let problem), _): credentialProblem = problem
    case (.ready, .stopping(var stopping)) where stopping.former == .starting(givenUp: nil):
      resumed(turn)
      stopping.former = .ready
      phase = .stopping(stopping)
    case (.answered, _):
      hasAnswered = true
      silentDeaths = 0
    case (.work(let progress), .ready): workerProgressed(progress, &turn)
    case (.completed, _): complete(id, &turn)
    default: break
    }
  }

  /// The worker says that it serves.
  private mutating func serve(_ turn: inout Keeper.Turn) {
    phase = .ready
    timer = .never
    formerProgram = nil
    resumed(turn)
    beginWatch(turn)
    answer(starters: .status(status), &turn)
    // Those are commands to its predecessor: it was started with what they said.
    for id in commands.keys.sorted() { complete(id, &turn) }
    if secretsAreNewer { turn.actions.append(.command(request.key, id: 0, .updateSecrets)) }
    secretsAreNewer = false
  }

  private mutating func workerExited(_ exit: WorkerExit, _ output: [String], _ turn: inout Keeper.Turn) {
    let pid = self.pid.take()
    let exit = exit == .disconnected ? exit : watch.killedFor ?? exit
    watch = WorkerWatch()
    switch phase {
    case .starting(let givenUp):
      let error: MounterError =
        switch givenUp {
        case .workerFailed(let reason, _): .workerFailed(reason: reason, output: output)
        case .some(let other): other
        case nil: .workerFailed(reason: exit.sentence, output: output)
        }
      var cause = exit
      switch givenUp {
      case .workerFailed(let reason, _) where exit != .disconnected,
        .underFileSystemRefused(_, let reason) where exit != .disconnected:
        cause = .notServing(reason: reason)
      default: break
      }
      startFailed(error, cause, pid: pid, &turn)
    case .ready:
      noteDeath(exit, pid: pid, turn)
      restart(after: exit, &turn)
    case .stopping(var stopping):
      failCommands(.workerFailed(reason: exit.sentence, output: output), &turn)
      if stopping.former != nil, stopping.stage == .unmounting || stopping.stage == .detaching {
        noteDeath(exit, pid: pid, turn)
        stopping.former = exit == .disconnected ? .failed(reason: exit.sentence) : .waiting
      }
      phase = .stopping(stopping)
      workerLeft(&turn)
    case .draining: drained(exit, pid: pid, &turn)
    case .mounting, .waiting, .failed, .handedOver, .gone: break
    }
  }

  /// No worker serves, and none is on its way: a new mount is undone, one with users gets another worker.
  private mutating func startFailed(
    _ error: MounterError, _ exit: WorkerExit, pid: Int32? = nil, _ turn: inout Keeper.Turn
  ) {
    guard case .starting = phase else { return }
    timer = .never
    guard isRestarted else {
      failCommands(error, &turn)
      return undoStart(error, &turn)
    }
    if exit != .disconnected, let formerProgram {
      noteDeath(exit, pid: pid, turn)
      return fallBack(to: formerProgram, &turn)
    }
    answer(starters: .failed(error), &turn)
    noteDeath(exit, pid: pid, turn)
    restart(after: exit, &turn)
  }

  /// The start takes too long or is not wanted any more: undo what was begun, then tell those who wait.
  mutating func giveUpStart(_ error: MounterError, _ turn: inout Keeper.Turn) {
    switch phase {
    case .mounting(cancelled: nil):
      phase = .mounting(cancelled: error)
      timer = .never
    case .starting(givenUp: nil):
      phase = .starting(givenUp: error)
      timer = turn.now.advanced(by: turn.limits.kill)
      if pid != nil { turn.actions.append(.kill(request.key)) }
    default: break
    }
  }

  /// What the start is busy with, for the error of who stops waiting.
  var startStep: String {
    if case .mounting = phase { return "opening \(request.underFileSystem) and mounting it" }
    return "waiting for the volume's FUSE process to serve \(request.underFileSystem)"
  }
}
