internal import LinuxSystem
internal import VolumeModel

/// Giving every volume to the mounter that follows. Until it has said that it has them all, this one can go on with each:
/// it keeps what it has handed over.
extension Keeper {
  mutating func beginTakeOver(_ call: CallID, _ turn: inout Turn) {
    guard taker == nil || taker == call.connection, !isEnding else {
      return turn.actions.append(.answer(call, .failed(.shuttingDown)))
    }
    taker = call.connection
    roll = nil
    turn.actions += statuses.map { .answerInPart(call, $0) }
    turn.actions.append(.answer(call, .done))
  }

  mutating func endTakeOver(_ call: CallID, _ turn: inout Turn) {
    let left = volumes.values.filter { $0.phase != .handedOver }
    guard taker == call.connection, left.isEmpty, sweeps.isEmpty else {
      let reason = "\(left.count) volumes have not been handed over"
      return turn.actions.append(.answer(call, .failed(.malformed(reason: reason))))
    }
    turn.actions += [.yieldSocket, .answer(call, .done), .exit]
  }

  /// The follower has gone before it had everything: this mounter goes on as if there had been none.
  mutating func reclaim(_ turn: inout Turn) {
    taker = nil
    for key in volumes.keys { change(key, &turn) { $0.reclaim(&$1) } }
  }
}

extension Volume {
  /// The follower asks for the volume.
  mutating func handOver(_ queued: QueuedCall, _ turn: inout Keeper.Turn) {
    switch phase {
    case .ready: drain(for: .mounter(queued.call), &turn)
    case .waiting, .failed, .handedOver:
      phase = .handedOver
      timer = .never
      turn.actions.append(.handOver(queued.call, request.key))
    case .mounting, .starting, .draining, .stopping, .gone: queue.append(queued)
    }
  }

  /// Should the follower have started a worker, the start of the next one finds it.
  mutating func reclaim(_ turn: inout Keeper.Turn) {
    switch phase {
    case .handedOver:
      interruptedSince = turn.now
      startWorker(&turn)
    case .draining(var draining):
      if case .mounter = draining.next { draining.next = .program(program) }
      phase = .draining(draining)
    default: break
    }
  }
}
