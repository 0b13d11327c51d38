internal import VolumeModel

/// Something that has happened to a volume and that people should read beside their pods.
struct VolumeNews: Sendable, Hashable {
  /// By what it is filtered in `kubectl get events`.
  enum Reason: String, Sendable, Hashable, CaseIterable {
    case workerOutOfMemory = "WorkerOutOfMemory"
    case workerEnded = "WorkerEnded"
    case workerRecovered = "WorkerRecovered"
    case mountLost = "MountLost"
    case restartNeeded = "RestartNeeded"
    case mountRecovered = "MountRecovered"
    case credentialsRefused = "CredentialsRefused"
    case credentialsTaken = "CredentialsTaken"

    /// Whether somebody should look at it.
    var isWarning: Bool {
      switch self {
      case .workerOutOfMemory, .workerEnded, .mountLost, .restartNeeded, .credentialsRefused: true
      case .workerRecovered, .mountRecovered, .credentialsTaken: false
      }
    }
  }

  var reason: Reason
  /// Without the volume's name; no secrets.
  var sentence: String

  /// Nil for an end that is nobody's concern, or that is told otherwise.
  init?(_ death: WorkerDeath) {
    switch death.exit {
    case .replaced, .disconnected: return nil
    case .outOfMemory: reason = .workerOutOfMemory
    case .exited, .signaled, .unanswering, .notServing, .unknown: reason = .workerEnded
    }
    let words = [death.exit.sentence, death.exit.remedy, "the next one is being started"]
    sentence = words.compactMap(\.self).joined(separator: "; ")
  }

  init(_ outcome: RecoveryOutcome) {
    (reason, sentence) = (outcome.isRecovered ? .mountRecovered : .restartNeeded, outcome.sentence)
  }

  private init(_ reason: Reason, _ sentence: String) { (self.reason, self.sentence) = (reason, sentence) }

  /// - Parameter milliseconds: rounded up to 1, 2 or 5 and zeros: the same sentence makes a series.
  static func recovered(after milliseconds: UInt64) -> VolumeNews {
    var rounded: UInt64 = 1
    while rounded < milliseconds, rounded < .max / 10 {
      // From 2, 20, 200 to half of the next power of ten.
      rounded = "\(rounded)".hasPrefix("2") ? rounded / 2 * 5 : rounded * 2
    }
    return VolumeNews(
      .workerRecovered, "the volume is served again; who used it waited for at most \(rounded) ms")
  }

  static func lost(_ reason: String) -> VolumeNews { VolumeNews(.mountLost, WorkerStatus.loss(reason)) }

  static func refused(_ problem: String) -> VolumeNews {
    VolumeNews(.credentialsRefused, WorkerStatus.refusal(problem))
  }

  static let taken = VolumeNews(.credentialsTaken, "the volume's new credentials are used")
}

/// What has been told of one worker key, and so what of its next status is news. A value, so that tests need no time.
struct WorkerStory: Sendable, Hashable {
  /// Of the last end that is told or was there before; milliseconds of CLOCK_MONOTONIC.
  private var lastDeath: UInt64?
  /// Nobody serves, and that was told.
  private var isInterrupted = false
  /// Of all waits so far, in milliseconds.
  private var totalPause: UInt64 = 0
  private var isLost = false
  private var credentialProblem: String?
  private var outcome: RecoveryOutcome?

  /// A status that is newer than the one before.
  ///
  /// Ends of workers that are there with the first status are old; what is wrong at the moment is news.
  mutating func hear(_ status: WorkerStatus) -> [VolumeNews] {
    var news: [VolumeNews] = []
    for death in newDeaths(status.history) {
      guard let told = VolumeNews(death) else { continue }
      news.append(told)
      isInterrupted = true
    }
    switch status.state {
    case .ready:
      // Less than before for a mount that was made anew.
      let total = status.history.totalPause
      if isInterrupted { news.append(.recovered(after: total < totalPause ? total : total - totalPause)) }
      (isInterrupted, isLost, totalPause) = (false, false, total)
    case .failed(let reason):
      if !isLost { news.append(.lost(reason)) }
      (isLost, isInterrupted) = (true, false)
    case .starting, .interrupted, .stopping: break
    }
    if status.credentialProblem != credentialProblem {
      news.append(status.credentialProblem.map(VolumeNews.refused) ?? .taken)
      credentialProblem = status.credentialProblem
    }
    return news
  }

  private mutating func newDeaths(_ history: WorkerHistory) -> [WorkerDeath] {
    defer { lastDeath = max(history.deaths.last?.moment ?? 0, lastDeath ?? 0) }
    guard let lastDeath else { return [] }
    return history.deaths.filter { $0.moment > lastDeath }
  }

  /// The volume's mount had been lost and this became of it; nil: a call has put everything in order.
  mutating func hear(_ outcome: RecoveryOutcome?) -> [VolumeNews] {
    guard outcome != self.outcome else { return [] }
    let needed = self.outcome.map { !$0.isRecovered } ?? false
    self.outcome = outcome
    if let outcome { return [VolumeNews(outcome)] }
    return needed ? [VolumeNews(.recovered)] : []
  }
}
