internal import LinuxSystem
internal import VolumeModel

extension Volume {
  /// What an event of its own makes of the volume.
  mutating func handle(_ event: KeeperEvent, _ turn: inout Keeper.Turn) {
    switch event {
    case .mounted(_, let connection): mounted(connection, &turn)
    case .mountFailed(_, let error): mountFailed(error, &turn)
    case .workerStarted(_, let pid): workerStarted(pid, &turn)
    case .workerNotStarted(_, let error): startFailed(error, &turn)
    case .workerReported(_, let id, let report): workerReported(id, report, &turn)
    case .workerExited(_, let exit, let output): workerExited(exit, output, &turn)
    case .unmountEnded(_, let outcome): unmountEnded(outcome, &turn)
    case .finished(_, let error): finished(error, &turn)
    case .called, .shutdown, .connectionClosed, .swept, .timePassed: break
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
    if case .starting(.some) = phase { turn.actions.append(.kill(request.key)) }
  }

  private mutating func workerReported(_ id: UInt64, _ report: WorkerReport, _ turn: inout Keeper.Turn) {
    switch (report, phase) {
    // A worker that was taken over had said so to an earlier mounter; that it takes commands says the same.
    case (.ready, .starting(givenUp: nil)), (.completed, .starting(givenUp: nil)):
      phase = .ready
      timer = .never
      answer(starters: .status(status), &turn)
      if secretsAreNewer { turn.actions.append(.command(request.key, id: 0, .updateSecrets)) }
      secretsAreNewer = false
    case (.progress, .starting(givenUp: nil)): timer = turn.now.advanced(by: turn.limits.start)
    case (.failed(let reason), .starting(givenUp: nil)): giveUpStart(.workerFailed(reason: reason, output: []), &turn)
    case (.completed, _): complete(id, &turn)
    default: break
    }
  }

  private mutating func workerExited(_ exit: WorkerExit, _ output: [String], _ turn: inout Keeper.Turn) {
    pid = nil
    failCommands(.workerFailed(reason: exit.sentence, output: output), &turn)
    switch phase {
    case .starting(let givenUp):
      let error: MounterError =
        switch givenUp {
        case .workerFailed(let reason, _): .workerFailed(reason: reason, output: output)
        case .some(let other): other
        case nil: .workerFailed(reason: exit.sentence, output: output)
        }
      startFailed(error, &turn)
    // The place where a worker is started again by itself: `startWorker` unless workers die without having served.
    case .ready: phase = .failed(reason: exit.sentence)
    case .stopping: workerLeft(&turn)
    case .mounting, .failed, .gone: break
    }
  }

  /// No worker serves, and none is on its way.
  private mutating func startFailed(_ error: MounterError, _ turn: inout Keeper.Turn) {
    guard case .starting = phase else { return }
    timer = .never
    if generation == 1 { return undoStart(error, &turn) }
    answer(starters: .failed(error), &turn)
    phase = .failed(reason: error.description)
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
