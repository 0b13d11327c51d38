internal import LinuxSystem
internal import VolumeModel

extension Volume {
  /// A volume that an earlier mounter had made.
  /// - Parameter worker: the last worker, dead or alive, where there is a way to talk to it. Without one, the next is started
  ///   as soon as the mounter serves.
  init(adopting custody: VolumeCustody, worker: Int32?, limits: Keeper.Limits) {
    let status = custody.status
    self.init(request: status.request, phase: .waiting)
    timer = .now
    connection = status.connection
    generation = max(1, custody.generation)
    history = status.history
    revision = status.revision
    credentialProblem = status.credentialProblem
    trouble = status.history.deaths.last?.exit.sentence
    interruptedSince = status.serves ? nil : .now
    guard let worker else {
      if case .failed(let reason) = status.state { phase = .failed(reason: reason) }
      return
    }
    pid = worker
    startedAt = status.startedAt
    // It may have said so just before the earlier mounter died: then it is asked for an answer.
    let isStarting = status.state == .starting || !status.serves
    phase = isStarting ? .starting(givenUp: nil) : .ready
    timer = isStarting ? .after(limits.start) : .never
    // Asked at once: it may have hung since long.
    if !isStarting, limits.watch != nil { watch.nextPing = .now }
  }
}
