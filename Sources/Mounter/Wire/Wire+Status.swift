internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

extension WorkerStatus {
  init(wire: borrowing MessageView<Mounter__V1__Status>) throws(MissingField) {
    let state: State =
      switch unsafe wire.state {
      case MOUNTER__V1__STATUS__STATE__STATE_STARTING: .starting
      case MOUNTER__V1__STATUS__STATE__STATE_READY: .ready
      case MOUNTER__V1__STATUS__STATE__STATE_FAILED: .failed(reason: unsafe wire.reason)
      case MOUNTER__V1__STATUS__STATE__STATE_INTERRUPTED: .interrupted(reason: unsafe wire.reason)
      case MOUNTER__V1__STATUS__STATE__STATE_STOPPING: .stopping
      // A state of a newer version: the volume does not serve as far as this one knows.
      default: .starting
      }
    let pid = unsafe wire.pid
    let startedAt = unsafe wire.started_at_ms
    let deaths: [WorkerDeath] = unsafe wire.list(\.n_deaths, \.deaths) { death in unsafe WorkerDeath(wire: death) }
    unsafe self.init(
      request: try Wire.mount(unsafe wire.mount), state: state, pid: pid == 0 ? nil : pid,
      connection: unsafe wire.connection, restarts: unsafe wire.restarts, startedAt: startedAt == 0 ? nil : startedAt,
      history: unsafe Self.history(wire, deaths),
      revision: unsafe wire.revision)
    if let custodians = unsafe wire.custodians { custody = unsafe CustodyReport(wire: custodians) }
    if let counted = unsafe wire.counters { counters = unsafe VolumeCounters(wire: counted) }
    if let problem = unsafe wire.credential_problem { credentialProblem = unsafe problem.value }
    if let answered = unsafe wire.activity { activity = unsafe WorkerActivity(wire: answered) }
    let resident = unsafe wire.resident_bytes
    residentBytes = resident == 0 ? nil : resident
  }

  private static func history(
    _ wire: borrowing MessageView<Mounter__V1__Status>, _ deaths: [WorkerDeath]
  ) -> WorkerHistory {
    let counts: [(WorkerExit.Kind, UInt64)] = unsafe wire.list(\.n_death_counts, \.death_counts) { part in
      unsafe (WorkerExit.Kind(wire: part.cause), part.count)
    }
    return unsafe WorkerHistory(
      deaths: deaths, longestPause: wire.longest_pause_ms, totalPause: wire.total_pause_ms,
      counts: Dictionary(counts) { $0 + $1 })
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Status>) {
    unsafe request.fill(wire.make(\.mount, mounter__v1__mount__init))
    switch state {
    case .starting: unsafe wire.state = MOUNTER__V1__STATUS__STATE__STATE_STARTING
    case .ready: unsafe wire.state = MOUNTER__V1__STATUS__STATE__STATE_READY
    case .failed(let reason):
      unsafe wire.state = MOUNTER__V1__STATUS__STATE__STATE_FAILED
      unsafe wire.reason = withoutNul(reason)
    case .interrupted(let reason):
      unsafe wire.state = MOUNTER__V1__STATUS__STATE__STATE_INTERRUPTED
      unsafe wire.reason = withoutNul(reason)
    case .stopping: unsafe wire.state = MOUNTER__V1__STATUS__STATE__STATE_STOPPING
    }
    unsafe wire.pid = pid ?? 0
    unsafe wire.connection = connection
    unsafe wire.restarts = restarts
    unsafe wire.started_at_ms = startedAt ?? 0
    unsafe wire.setList(\.n_deaths, \.deaths, history.deaths, mounter__v1__death__init) { wire, death in
      unsafe death.fill(wire)
    }
    unsafe wire.longest_pause_ms = history.longestPause
    unsafe wire.total_pause_ms = history.totalPause
    let counts = history.counts.sorted { $0.key.rawValue < $1.key.rawValue }
    unsafe wire.setList(\.n_death_counts, \.death_counts, counts, mounter__v1__death_count__init) { wire, count in
      unsafe wire.cause = count.key.wire
      unsafe wire.count = count.value
    }
    unsafe wire.revision = revision
    if let custody { unsafe custody.fill(wire.make(\.custodians, mounter__v1__custodians__init)) }
    unsafe wire.resident_bytes = residentBytes ?? 0
    if let activity { unsafe activity.fill(wire.make(\.activity, mounter__v1__activity__init)) }
    if let counters { unsafe counters.fill(wire.make(\.counters, mounter__v1__counters__init)) }
    if let credentialProblem {
      unsafe wire.make(\.credential_problem, mounter__v1__string_value__init).value = withoutNul(credentialProblem)
    }
  }
}

extension Wire {
  /// A status that must be there.
  static func status(_ wire: consuming MessageView<Mounter__V1__Status>?) throws(MissingField) -> WorkerStatus {
    guard let wire = unsafe wire else { throw MissingField(name: "status") }
    return unsafe try WorkerStatus(wire: wire)
  }
}

extension WorkerDeath {
  fileprivate init(wire: borrowing MessageView<Mounter__V1__Death>) {
    let number = unsafe wire.number
    let exit: WorkerExit =
      switch unsafe wire.cause {
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_EXITED: .exited(code: Int32(truncatingIfNeeded: number))
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_SIGNALED: .signaled(Int32(truncatingIfNeeded: number))
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_OUT_OF_MEMORY: .outOfMemory(limitBytes: number)
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_UNANSWERING: .unanswering(seconds: UInt32(clamping: number))
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_REPLACED: .replaced
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_DISCONNECTED: .disconnected
      case MOUNTER__V1__DEATH__CAUSE__CAUSE_NOT_SERVING: .notServing(reason: unsafe wire.reason)
      default: .unknown
      }
    self.init(exit: exit, pid: unsafe wire.pid, moment: unsafe wire.moment_ms)
  }

  fileprivate func fill(_ wire: MessageBuilder<Mounter__V1__Death>) {
    let (cause, number): (Mounter__V1__Death__Cause, UInt64) =
      switch exit {
      case .exited(let code): (MOUNTER__V1__DEATH__CAUSE__CAUSE_EXITED, UInt64(UInt32(bitPattern: code)))
      case .signaled(let signal): (MOUNTER__V1__DEATH__CAUSE__CAUSE_SIGNALED, UInt64(UInt32(bitPattern: signal)))
      case .outOfMemory(let limit): (MOUNTER__V1__DEATH__CAUSE__CAUSE_OUT_OF_MEMORY, limit)
      case .unanswering(let seconds): (MOUNTER__V1__DEATH__CAUSE__CAUSE_UNANSWERING, UInt64(seconds))
      case .replaced: (MOUNTER__V1__DEATH__CAUSE__CAUSE_REPLACED, 0)
      case .disconnected: (MOUNTER__V1__DEATH__CAUSE__CAUSE_DISCONNECTED, 0)
      case .notServing: (MOUNTER__V1__DEATH__CAUSE__CAUSE_NOT_SERVING, 0)
      case .unknown: (MOUNTER__V1__DEATH__CAUSE__CAUSE_UNSPECIFIED, 0)
      }
    unsafe wire.cause = cause
    unsafe wire.number = number
    if case .notServing(let reason) = exit { unsafe wire.reason = withoutNul(reason) }
    unsafe wire.pid = pid
    unsafe wire.moment_ms = moment
  }
}
