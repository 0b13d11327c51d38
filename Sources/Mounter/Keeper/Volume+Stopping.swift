internal import LinuxSystem
internal import VolumeModel

/// The ladder down: umount2, MNT_DETACH and an end of the connection where users are abandoned, a polite word to the
/// worker, SIGKILL, and certainty of its death before anything is closed.
extension Volume {
  /// Begins to stop a volume that serves or has served.
  mutating func stop(abandoningUsers: Bool, _ turn: inout Keeper.Turn) {
    let former: Stopping.Former
    switch phase {
    case .ready, .draining: former = .ready
    case .starting(let givenUp): former = .starting(givenUp: givenUp)
    case .waiting: former = .waiting
    case .failed(let reason): former = .failed(reason: reason)
    case .mounting, .stopping, .handedOver, .gone: return
    }
    phase = .stopping(Stopping(abandoningUsers: abandoningUsers, former: former))
    timer = limit(turn.limits.unmount, turn)
    turn.actions.append(.unmount(request.key, abandoningUsers: abandoningUsers))
  }

  /// Unmounts after a start that failed. Its worker is dead or was never there.
  mutating func undoStart(_ error: MounterError, _ turn: inout Keeper.Turn) {
    phase = .stopping(Stopping(abandoningUsers: true, startError: error))
    timer = limit(turn.limits.unmount, turn)
    turn.actions.append(.unmount(request.key, abandoningUsers: true))
  }

  /// The mounter ends: the volume has to go, whatever it is doing.
  mutating func end(_ turn: inout Keeper.Turn) {
    turn.actions += queue.map { .answer($0.call, .failed(.shuttingDown)) }
    queue = []
    switch phase {
    case .mounting,
      .starting where !isRestarted:
      giveUpStart(.shuttingDown, &turn)
    case .starting, .ready, .draining, .waiting, .failed: stop(abandoningUsers: true, &turn)
    case .stopping(var stopping):
      stopping.abandoningUsers = true
      phase = .stopping(stopping)
    case .handedOver, .gone: break
    }
  }

  mutating func unmountEnded(_ outcome: UnmountOutcome, _ turn: inout Keeper.Turn) {
    guard case .stopping(var stopping) = phase, stopping.unmountRuns else { return }
    stopping.unmountRuns = false
    phase = .stopping(stopping)
    switch (stopping.stage, outcome) {
    case (.unmounting, .unmounted), (.detaching, .unmounted): endWorker(&turn)
    case (.unmounting, .busy) where stopping.abandoningUsers, (.unmounting, .failed) where stopping.former == nil:
      stopping.stage = .detaching
      stopping.unmountRuns = true
      phase = .stopping(stopping)
      timer = limit(turn.limits.unmount, turn)
      turn.actions.append(.detach(request.key))
    case (.unmounting, .busy(let holders)), (.detaching, .busy(let holders)):
      goBack(.busy(key: request.key, holders: holders), &turn)
    case (.unmounting, .failed(let error, let step)), (.detaching, .failed(let error, let step)):
      goBack(.system(error, step: step), &turn)
    // The worker was killed meanwhile: all that was missing is the thread that unmounts.
    case (.killingWorker, _), (.stuck, _): workerLeft(&turn)
    case (.endingWorker, _), (.finishing, _): break
    }
  }

  /// The mount stays: everything is as it was before, or as the worker has made it since.
  private mutating func goBack(_ error: MounterError, _ turn: inout Keeper.Turn) {
    guard case .stopping(let stopping) = phase else { return }
    timer = .never
    switch stopping.former {
    case .ready:
      phase = .ready
      beginWatch(turn)
    case .starting(let givenUp):
      phase = .starting(givenUp: givenUp)
      timer = turn.now.advanced(by: givenUp == nil ? turn.limits.start : turn.limits.kill)
    case .waiting:
      phase = .waiting
      timer = turn.now
    case .failed(let reason): phase = .failed(reason: reason)
    case nil: phase = .failed(reason: error.description)
    }
    answer(starters: .failed(stopping.startError ?? error), stoppers: .failed(error), &turn)
  }

  /// The mount is gone: let the worker go.
  private mutating func endWorker(_ turn: inout Keeper.Turn) {
    guard case .stopping(var stopping) = phase else { return }
    guard pid != nil else { return finish(&turn) }
    stopping.stage = .endingWorker
    phase = .stopping(stopping)
    timer = limit(turn.limits.politeStop, turn)
    let time = timer.remaining(at: turn.now).components
    let milliseconds = UInt32(clamping: time.seconds * 1_000 + time.attoseconds / 1_000_000_000_000_000)
    turn.actions.append(.command(request.key, id: 0, .stop(timeoutMilliseconds: milliseconds)))
  }

  /// The worker is dead, or the last unmount has returned: when both hold, the rest is closed.
  mutating func workerLeft(_ turn: inout Keeper.Turn) {
    guard case .stopping(let stopping) = phase, pid == nil, !stopping.unmountRuns else { return }
    switch stopping.stage {
    case .endingWorker, .killingWorker, .stuck: finish(&turn)
    case .unmounting, .detaching, .finishing: break
    }
  }

  private mutating func finish(_ turn: inout Keeper.Turn) {
    guard case .stopping(var stopping) = phase else { return }
    stopping.stage = .finishing
    phase = .stopping(stopping)
    timer = .never
    turn.actions.append(.finish(request.key))
  }

  mutating func finished(_ error: MounterError?, _ turn: inout Keeper.Turn) {
    guard case .stopping(let stopping) = phase, stopping.stage == .finishing else { return }
    answer(
      starters: .failed(stopping.startError ?? .notMounted(request.key)), stoppers: error.map { .failed($0) } ?? .done,
      &turn)
    phase = .gone
  }

  /// The next rung, since the present one has taken too long.
  mutating func climbDown(_ turn: inout Keeper.Turn) {
    guard case .stopping(var stopping) = phase else { return }
    switch stopping.stage {
    case .unmounting, .detaching:
      // umount2 takes the mount out of the name space before anything in it can block: no user is left to protect.
      stopping.stage = .killingWorker
      turn.actions.append(.abort(request.key))
      if pid != nil { turn.actions.append(.kill(request.key)) }
      timer = limit(turn.limits.kill, turn)
    case .endingWorker:
      stopping.stage = .killingWorker
      turn.actions.append(.kill(request.key))
      timer = limit(turn.limits.kill, turn)
    case .killingWorker:
      stopping.stage = .stuck
      timer = .never
    case .stuck, .finishing: timer = .never
    }
    phase = .stopping(stopping)
    if stopping.stage == .stuck {
      let error = MounterError.workerFailed(reason: Keeper.stuckSentence(pid), output: [])
      answer(starters: .failed(error), stoppers: .failed(error), &turn)
    }
  }

  /// A rung's time: its own limit, or a third of what the most patient caller has left.
  private func limit(_ limit: Duration, _ turn: Keeper.Turn) -> Deadline {
    let patience = (stoppers + starters).map { $0.deadline.remaining(at: turn.now) }.max() ?? limit
    return turn.now.advanced(by: min(limit, max(patience / 3, Self.shortestRung)))
  }

  /// A caller with hardly any time left must not make the ladder skip what takes a few milliseconds.
  private static let shortestRung = Duration.milliseconds(200)

  /// What the way down is busy with, for the error of who stops waiting.
  var stopStep: String {
    guard case .stopping(let stopping) = phase else { return "waiting for the volume's turn" }
    switch stopping.stage {
    case .unmounting, .detaching: return "unmounting \(request.mountPoint)"
    case .endingWorker, .killingWorker, .stuck: return "ending the volume's FUSE process\(pid.map { " \($0)" } ?? "")"
    case .finishing: return "removing \(request.mountPoint)"
    }
  }
}
