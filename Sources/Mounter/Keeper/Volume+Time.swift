internal import LinuxSystem
internal import VolumeModel

extension Volume {
  /// When the volume wants to be told of the time.
  var nextDeadline: Deadline {
    var next = timer
    switch phase {
    case .ready: next = min(next, watch.deadline)
    case .mounting(cancelled: nil),
      .starting(givenUp: nil) where !isRestarted:
      if let patience = starters.map(\.patience).max() { next = min(next, patience) }
    default: break
    }
    for waiter in starters { next = min(next, waiter.deadline) }
    for waiter in stoppers { next = min(next, waiter.deadline) }
    for queued in queue { next = min(next, queued.deadline) }
    for command in commands.values { next = min(next, command.deadline) }
    return next
  }

  /// How long the most patient of those who wait for the volume still waits, in milliseconds; 0: nobody waits.
  func startTimeout(at now: Deadline) -> UInt32 {
    guard let patience = starters.map(\.patience).max() else { return 0 }
    let time = min(patience, timer).remaining(at: now).components
    return max(1, UInt32(clamping: time.seconds * 1_000 + time.attoseconds / 1_000_000_000_000_000))
  }

  /// Answers those whose deadline has passed, and takes the next step where the present one takes too long.
  mutating func timePassed(_ turn: inout Keeper.Turn) {
    answerLate(&turn)
    switch phase {
    case .mounting(cancelled: nil), .starting(givenUp: nil):
      let patience = isRestarted ? .never : starters.map(\.patience).max() ?? .never
      if min(timer, patience) <= turn.now { giveUpStart(.deadline(step: startStep), &turn) }
    case .starting(.some) where timer <= turn.now: killHasNoEffect(&turn)
    case .stopping where timer <= turn.now: climbDown(&turn)
    case .draining where timer <= turn.now: drainTakesLong(&turn)
    case .waiting where timer <= turn.now: startWorker(&turn)
    case .ready where watch.deadline <= turn.now: lookAfterWorker(&turn)
    case .mounting, .starting, .ready, .draining, .waiting, .failed, .stopping, .handedOver, .gone: break
    }
  }

  /// A worker that was given up does not die. Those who wait are told; its death, when it comes, undoes the start.
  private mutating func killHasNoEffect(_ turn: inout Keeper.Turn) {
    let error = MounterError.workerFailed(reason: Keeper.stuckSentence(pid), output: [])
    phase = .starting(givenUp: error)
    timer = .never
    answer(starters: .failed(error), &turn)
  }

  private mutating func answerLate(_ turn: inout Keeper.Turn) {
    let now = turn.now
    for late in starters where late.deadline <= now {
      turn.actions.append(.answer(late.call, .failed(.deadline(step: startStep))))
    }
    for late in stoppers where late.deadline <= now {
      turn.actions.append(.answer(late.call, .failed(.deadline(step: stopStep))))
    }
    for late in queue where late.deadline <= now {
      turn.actions.append(.answer(late.call, .failed(.deadline(step: stopStep))))
    }
    for (id, late) in commands where late.deadline <= now {
      let step = "waiting for the volume's FUSE process to take its new options or secrets"
      turn.actions.append(.answer(late.call, .failed(.deadline(step: step))))
      commands[id] = nil
    }
    // A start is given up before its last caller is told, so that nothing is left half done.
    if !isRestarted, !starters.isEmpty, starters.allSatisfy({ $0.deadline <= now }) {
      giveUpStart(.deadline(step: startStep), &turn)
    }
    starters.removeAll { $0.deadline <= now }
    stoppers.removeAll { $0.deadline <= now }
    queue.removeAll { $0.deadline <= now }
  }
}
