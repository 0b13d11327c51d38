internal import LinuxSystem
internal import VolumeModel

/// A worker that makes way for another: it finishes what it works on, reads nothing more and goes. What it has not read, and
/// what it does not finish in time, the next one gets.
extension Volume {
  /// A worker on its way out, and who follows it.
  struct Draining: Hashable, Sendable {
    var next: Next
    /// It has taken too long.
    var isKilled = false

    enum Next: Hashable, Sendable {
      /// A worker of this build.
      case program(Int)
      /// One of another mounter, which waits for the answer to that call.
      case mounter(CallID)
    }
  }

  /// For requests that do not end: users wait meanwhile.
  private static let patience = Duration.seconds(2)

  /// Asks a worker that serves to make way.
  mutating func drain(for next: Draining.Next, _ turn: inout Keeper.Turn) {
    guard phase == .ready else { return }
    phase = .draining(Draining(next: next))
    interruptedSince = turn.now
    trouble = WorkerExit.replaced.sentence
    timer = turn.now.advanced(by: Self.patience + turn.limits.kill)
    let milliseconds = UInt32(Self.patience / .milliseconds(1))
    turn.actions.append(.command(request.key, id: 0, .drain(timeoutMilliseconds: milliseconds)))
  }

  /// It does not go.
  mutating func drainTakesLong(_ turn: inout Keeper.Turn) {
    guard case .draining(var draining) = phase else { return }
    if draining.isKilled {
      trouble = Keeper.stuckSentence(pid)
      timer = .never
    } else {
      draining.isKilled = true
      phase = .draining(draining)
      timer = turn.now.advanced(by: turn.limits.kill)
      turn.actions.append(.kill(request.key))
    }
  }

  /// It is gone for certain.
  mutating func drained(_ exit: WorkerExit, pid: Int32?, _ turn: inout Keeper.Turn) {
    guard case .draining(let draining) = phase else { return }
    noteDeath(exit == .disconnected ? exit : .replaced, pid: pid, turn)
    if exit == .disconnected { return restart(after: exit, &turn) }
    silentDeaths = 0
    switch draining.next {
    case .program(let next):
      if next != program { formerProgram = program }
      program = next
      startWorker(&turn)
    case .mounter(let call):
      phase = .handedOver
      timer = .never
      turn.actions.append(.handOver(call, request.key))
    }
  }

  /// A worker of a build that the volume has moved to cannot serve it: the build before gets it back at once.
  mutating func fallBack(to former: Int, _ turn: inout Keeper.Turn) {
    rejectedProgram = program
    program = former
    formerProgram = nil
    silentDeaths = 0
    startWorker(&turn)
  }
}
