/// What a mounter knows of one worker and its mount.
package struct WorkerStatus: Sendable, Hashable {
  /// A worker's life, in its order.
  package enum State: Sendable, Hashable {
    case starting
    case ready
    /// The mount is in place and whoever uses it waits: the worker is being started again, or does not answer.
    case interrupted(reason: String)
    /// The mount is lost, no worker can serve it any more: a sentence for the volume condition.
    case failed(reason: String)
    case stopping
  }

  /// What was asked for, and how far it is.
  package var request: MountRequest
  package var state: State
  /// Process id in the mounter's PID namespace; nil while no worker runs.
  package var pid: Int32?
  /// Minor device number of the mount: its name under `/sys/fs/fuse/connections`.
  package var connection: UInt32
  /// Workers started after the first.
  package var restarts: UInt32
  /// When the living worker was started: milliseconds of CLOCK_MONOTONIC; nil while no worker runs.
  package var startedAt: UInt64?
  package var history: WorkerHistory
  /// Grows with what happens in one mounter: of two statuses of a volume the one with the smaller revision is older. 0
  /// where the mounter does not say.
  package var revision: UInt64
  /// Who keeps copies beside the mounter; nil where it was not asked for.
  package var custody: CustodyReport?
  /// Of an object-store volume, as its worker said last; nil before it did.
  package var counters: VolumeCounters?
  /// What the worker has answered, as it said last; nil before it did.
  package var activity: WorkerActivity?
  /// Resident memory of the worker; nil where the mounter was not asked or does not know.
  package var residentBytes: UInt64?
  /// Why the worker does not use the last credentials that it was given; nil: it does.
  package var credentialProblem: String?

  package init(
    request: MountRequest, state: State, pid: Int32?, connection: UInt32, restarts: UInt32 = 0,
    startedAt: UInt64? = nil,
    history: WorkerHistory = WorkerHistory(), revision: UInt64 = 0
  ) {
    self.request = request
    self.state = state
    self.pid = pid
    self.connection = connection
    self.restarts = restarts
    self.startedAt = startedAt
    self.history = history
    self.revision = revision
  }

  /// Requests are answered, as far as is known.
  package var serves: Bool {
    switch state {
    case .starting, .ready, .stopping: true
    case .interrupted, .failed: false
    }
  }
}

/// The words of volume conditions: NodeGetVolumeStats, ControllerGetVolume and the status command show these and no others.
extension WorkerStatus {
  /// So many deaths in ten minutes are a condition even while a worker serves.
  private static let alarming = 3

  /// - Parameter now: milliseconds of CLOCK_MONOTONIC.
  package func condition(at now: UInt64) -> (abnormal: Bool, message: String) {
    let condition = conditionOfWorker(at: now)
    guard let credentialProblem, serves else { return condition }
    return (true, "\(Self.refusal(credentialProblem)); \(condition.message)")
  }

  private func conditionOfWorker(at now: UInt64) -> (abnormal: Bool, message: String) {
    let recent = history.recentDeaths(at: now)
    switch state {
    case .failed(let reason):
      return (true, Self.loss(reason))
    case .interrupted(let reason):
      // One death is what the reason speaks of already.
      let words = recent.count > 1 ? [reason, Self.summary(recent)] : [reason]
      return (true, "the volume does not answer at the moment: \(words.joined(separator: "; "))")
    case .starting: return (false, "the volume is being mounted")
    case .stopping: return (false, "the volume is being unmounted")
    case .ready where recent.isEmpty: return (false, "the volume is mounted")
    case .ready where recent.count < Self.alarming:
      return (false, "the volume is mounted; its \(Self.summary(recent)); \(pauseSentence)")
    case .ready: return (true, "\(Self.summary(recent)); the volume is mounted; \(pauseSentence)")
    }
  }

  /// What is said of a mount that is lost.
  package static func loss(_ reason: String) -> String {
    "the volume's mount is lost: \(reason); end the pods that use it, or publish it again"
  }

  /// What is said of credentials that the store refuses.
  package static func refusal(_ problem: String) -> String { "the volume's new credentials are not used: \(problem)" }

  private var pauseSentence: String { "users waited for at most \(history.longestPause) ms" }

  /// `worker was killed 3 times in 10 min: out of memory at 256 MiB; raise memoryLimit`.
  private static func summary(_ deaths: [WorkerDeath]) -> String {
    var counts: [(exit: WorkerExit, count: Int)] = []
    for death in deaths {
      if let index = counts.firstIndex(where: { $0.exit == death.exit }) {
        counts[index].count += 1
      } else {
        counts.append((death.exit, 1))
      }
    }
    let causes = counts.map { counts.count == 1 ? $0.exit.cause : "\($0.exit.cause) (\(times($0.count)))" }
    var remedies: [String] = []
    for case let remedy? in counts.map(\.exit.remedy) where !remedies.contains(remedy) { remedies.append(remedy) }
    let verb = deaths.allSatisfy(\.exit.isKill) ? "was killed" : "ended"
    let what = "worker \(verb) \(times(deaths.count)) in 10 min: \(causes.joined(separator: ", "))"
    return ([what] + remedies).joined(separator: "; ")
  }

  private static func times(_ count: Int) -> String { count == 1 ? "once" : "\(count) times" }
}
