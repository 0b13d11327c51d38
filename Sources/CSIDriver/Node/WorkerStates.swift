internal import LinuxSystem
internal import Mounter
internal import Synchronization
internal import VolumeModel

/// What is known of the workers without asking: from the mounter's events and answers. For conditions.
final class WorkerStates: Sendable {
  private struct State {
    /// Names of workers are hashes of the bytes of their keys.
    var byName: [String: WorkerStatus] = [:]
    var mounterIsAway = false
    var stories: [String: WorkerStory] = [:]
    /// Of workers whose mount had been lost.
    var outcomes: [String: RecoveryOutcome] = [:]
    /// Connections of theirs that are dead and that some container still had.
    var stale: [String: Set<UInt32>] = [:]
  }

  private let state = Mutex(State())

  /// Takes in what a call or an event said, whichever is heard first: events queue behind each other while calls return.
  /// - Returns: what of it is news.
  func note(_ status: WorkerStatus) -> [VolumeNews] {
    state.withLock { state in
      let name = status.request.key.name
      if let known = state.byName[name], status.revision < known.revision { return [] }
      state.byName[name] = status
      return state.stories[name, default: WorkerStory()].hear(status)
    }
  }

  func forget(_ key: WorkerKey) {
    state.withLock { state in
      state.byName[key.name] = nil
      state.stories[key.name] = nil
      state.outcomes[key.name] = nil
      state.stale[key.name] = nil
    }
  }

  /// Dead connections that containers had when they were last looked at.
  func stale(of name: String) -> Set<UInt32> { state.withLock { $0.stale[name] ?? [] } }
  func noteStale(_ connections: Set<UInt32>, of name: String) {
    state.withLock { $0.stale[name] = connections.isEmpty ? nil : connections }
  }

  /// - Parameter outcome: nil: a call has put everything in order.
  /// - Returns: what of it is news; nil: nothing has changed.
  func noteRecovery(_ outcome: RecoveryOutcome?, of name: String) -> [VolumeNews]? {
    state.withLock { state in
      if state.outcomes[name] == outcome { return nil }
      state.outcomes[name] = outcome
      return state.stories[name, default: WorkerStory()].hear(outcome)
    }
  }

  /// The mounter is there and these are all its workers.
  /// - Returns: what of each is news.
  func connected(_ statuses: [WorkerStatus]) -> [[VolumeNews]] {
    state.withLock { state in
      state.byName = Dictionary(statuses.map { ($0.request.key.name, $0) }) { first, _ in first }
      state.mounterIsAway = false
      state.stories = state.stories.filter { state.byName[$0.key] != nil || state.outcomes[$0.key] != nil }
      return statuses.map {
        state.stories[$0.request.key.name, default: WorkerStory()].hear($0)
      }
    }
  }

  /// The last status of each.
  var known: [WorkerStatus] { state.withLock { Array($0.byName.values) } }

  /// What was known stays known: workers serve on without the mounter.
  func disconnected() { state.withLock { $0.mounterIsAway = true } }

  /// Whether none of these workers is known not to answer.
  func serve(_ names: [String]) -> Bool {
    state.withLock { state in names.allSatisfy { state.byName[$0]?.serves ?? true } }
  }

  /// The condition of a volume with these workers: that of the worst, in the mounter's words.
  func condition(ofWorkers names: [String]) -> VolumeCondition {
    let now = Deadline.now.nanoseconds / 1_000_000
    return state.withLock { state in
      let outcomes = names.compactMap { state.outcomes[$0] }
      if let lost = outcomes.first(where: { !$0.isRecovered }) {
        return VolumeCondition(abnormal: true, message: lost.sentence)
      }
      let conditions = names.compactMap { state.byName[$0]?.condition(at: now) }
      if let worst = conditions.first(where: \.abnormal) {
        return VolumeCondition(abnormal: true, message: worst.message)
      }
      if state.mounterIsAway {
        return VolumeCondition(abnormal: false, message: "the mounter does not answer; mounted volumes go on serving")
      }
      let message = conditions.first?.message ?? "the volume is mounted"
      guard let recovered = outcomes.first else { return VolumeCondition(abnormal: false, message: message) }
      return VolumeCondition(abnormal: false, message: "\(recovered.sentence); \(message)")
    }
  }
}

/// Workers whose volume is being recovered: one at a time each, however often there is reason to.
final class RecoveriesInProgress: Sendable {
  /// With whether there has been reason to begin once more.
  private let names = Mutex<[String: Bool]>([:])

  /// - Returns: whether the caller is to do it; otherwise the one who does will do it again.
  func begin(_ name: String) -> Bool {
    names.withLock { names in
      defer { names[name] = names[name] != nil }
      return names[name] == nil
    }
  }

  /// - Returns: false where it has to be done again.
  func end(_ name: String) -> Bool {
    names.withLock { names in
      names[name] = names[name] == true ? false : nil
      return names[name] == nil
    }
  }

  func contains(_ name: String) -> Bool { names.withLock { $0[name] != nil } }
}

/// How full each volume was when it was last asked, for answers while it does not answer, and which volumes are being asked:
/// a volume that hangs is asked once, not once per call.
final class LastUsage: Sendable {
  private struct State {
    var known: [ByteKey: (bytes: NodeVolumeStats.Usage, inodes: NodeVolumeStats.Usage)] = [:]
    var asking: Set<ByteKey> = []
  }

  private let state = Mutex(State())

  /// - Returns: false when an earlier question to this target has not been answered yet.
  func beginAsking(_ target: String) -> Bool { state.withLock { $0.asking.insert(ByteKey(target)).inserted } }

  func endAsking(_ target: String) { state.withLock { _ = $0.asking.remove(ByteKey(target)) } }

  func note(_ volumeID: String, bytes: NodeVolumeStats.Usage, inodes: NodeVolumeStats.Usage) {
    state.withLock { $0.known[ByteKey(volumeID)] = (bytes, inodes) }
  }

  func last(_ volumeID: String) -> (bytes: NodeVolumeStats.Usage, inodes: NodeVolumeStats.Usage)? {
    state.withLock { $0.known[ByteKey(volumeID)] }
  }

  func forget(_ volumeID: String) { state.withLock { $0.known[ByteKey(volumeID)] = nil } }
}
