internal import LinuxSystem
internal import VolumeModel

/// Moving every volume to a new build of the worker, one after the other. A build that cannot serve the first volume that it
/// is tried on is given up, and the volume goes back to the one before.
extension Keeper {
  struct Roll: Hashable, Sendable {
    var program: Int
    /// The volume that moves at the moment.
    var current: WorkerKey?
  }

  /// A build was found that can be started and reads every volume's state.
  mutating func beginRoll(to program: Int) { if taker == nil { roll = Roll(program: program) } }

  /// Sees how far the volume that moves is, and moves the next.
  mutating func advanceRoll(_ turn: inout Turn) {
    guard var roll, !isEnding, taker == nil else { return }
    if let key = roll.current, let volume = volumes[key] {
      if volume.rejectedProgram == roll.program {
        let reason = volume.history.deaths.last?.exit.sentence ?? "its workers do not serve"
        turn.actions.append(.rollEnded(program: roll.program, failure: "volume \(key.volumeID): \(reason)"))
        self.roll = nil
        return
      }
      switch volume.phase {
      case .draining: return
      case .starting where volume.formerProgram != nil: return
      default: break
      }
    }
    roll.current = nil
    // A volume that waits for a worker gets one of the new build anyway.
    for (key, volume) in volumes where volume.phase == .waiting { volumes[key]?.program = roll.program }
    let next = volumes.filter { $0.value.phase == .ready && $0.value.program != roll.program }.keys
    roll.current = next.min { $0.name < $1.name }
    self.roll = roll
    if let key = roll.current { return change(key, &turn) { $0.drain(for: .program(roll.program), &$1) } }
    // Those that are on their way are moved when they have arrived.
    if volumes.values.contains(where: { $0.program != roll.program && $0.mayServe }) { return }
    program = roll.program
    self.roll = nil
    turn.actions.append(.rollEnded(program: program, failure: nil))
  }

  /// Builds that a worker may be started of.
  var programsInUse: Set<Int> {
    var numbers = Set(volumes.values.flatMap { [$0.program, $0.formerProgram ?? $0.program] })
    numbers.insert(program)
    if let roll { numbers.insert(roll.program) }
    return numbers
  }
}

extension Volume {
  /// A worker is there or on its way.
  fileprivate var mayServe: Bool {
    switch phase {
    case .mounting, .starting, .ready, .draining, .waiting: true
    case .failed, .stopping, .handedOver, .gone: false
    }
  }
}
