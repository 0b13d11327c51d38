internal import LinuxSystem
internal import Log
internal import Logging
internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

/// Packets between mounter and worker, and what a secrets memfd holds.
extension Wire {
  static func encode(_ message: CommandMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__worker_command__init)
    unsafe wire.id = message.id
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    switch message.command {
    case .configuration(let configuration):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_CONFIGURATION
      let part = unsafe wire.make(\.configuration, mounter__v1__worker_configuration__init)
      unsafe configuration.request.fill(part.make(\.mount, mounter__v1__mount__init))
      unsafe part.fuse_init = configuration.fuseInit
      unsafe part.granted_flags = configuration.granted
      unsafe part.generation = configuration.generation
      unsafe part.log_level = configuration.log.level.rawValue
      unsafe part.setFlag(\.log_json, configuration.log.format == .json)
      unsafe part.start_timeout_ms = configuration.startTimeoutMilliseconds
      unsafe part.trace = configuration.trace?.description ?? ""
    case .drain(let milliseconds):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_DRAIN
      unsafe wire.make(\.drain, mounter__v1__drain__init).timeout_ms = milliseconds
    case .stop(let milliseconds):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_STOP
      unsafe wire.make(\.stop, mounter__v1__stop__init).timeout_ms = milliseconds
    case .updateOptions(let options):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_UPDATE_OPTIONS
      unsafe options.fill(wire.make(\.update_options, mounter__v1__options__init))
    case .updateSecrets(let revision):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_UPDATE_SECRETS
      unsafe wire.make(\.update_secrets, mounter__v1__update_secrets__init).revision = revision
    case .ping:
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_PING
      unsafe wire.make(\.ping, mounter__v1__ping__init)
    case .backingOpened(let call, let id, let error):
      unsafe wire.command_case = MOUNTER__V1__WORKER_COMMAND__COMMAND_BACKING_OPENED
      let part = unsafe wire.make(\.backing_opened, mounter__v1__backing_opened__init)
      unsafe part.call = call
      unsafe part.backing_id = id
      unsafe part.error_number = error
    case .unknown: break
    }
    return unsafe wire.packed()
  }

  /// - Throws: `WireError` for bytes that are no message, `MissingField` for one that lacks something.
  static func command(_ bytes: [UInt8]) throws -> CommandMessage {
    unsafe try parse(bytes, unsafe mounter__v1__worker_command__init) { (wire) throws(MissingField) in
      unsafe CommandMessage(
        id: unsafe wire.id, roles: roles(unsafe wire.numbers(\.n_descriptors, \.descriptors)),
        command: try command(wire))
    }
  }

  private static func command(
    _ wire: borrowing MessageView<Mounter__V1__WorkerCommand>
  ) throws(MissingField) -> CommandMessage.Command {
    switch unsafe wire.command_case {
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_CONFIGURATION:
      guard let part = unsafe wire.configuration else { return .unknown }
      return unsafe .configuration(
        CommandMessage.Configuration(
          request: try mount(unsafe part.mount), fuseInit: unsafe part.fuse_init, granted: unsafe part.granted_flags,
          generation: unsafe part.generation,
          log: LogOptions(
            level: Logger.Level(rawValue: unsafe part.log_level) ?? .info,
            format: unsafe part.flag(\.log_json) ? .json : .text),
          startTimeoutMilliseconds: unsafe part.start_timeout_ms, trace: TraceID(unsafe part.trace)))
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_DRAIN:
      guard let part = unsafe wire.drain else { return .unknown }
      return .drain(timeoutMilliseconds: unsafe part.timeout_ms)
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_STOP:
      guard let part = unsafe wire.stop else { return .unknown }
      return .stop(timeoutMilliseconds: unsafe part.timeout_ms)
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_UPDATE_OPTIONS:
      return unsafe .updateOptions(try options(wire.update_options))
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_UPDATE_SECRETS:
      guard let part = unsafe wire.update_secrets else { return .unknown }
      return .updateSecrets(revision: unsafe part.revision)
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_PING: return .ping
    case MOUNTER__V1__WORKER_COMMAND__COMMAND_BACKING_OPENED:
      guard let part = unsafe wire.backing_opened else { return .unknown }
      return unsafe .backingOpened(call: part.call, id: part.backing_id, error: part.error_number)
    default: return .unknown
    }
  }

  static func encode(_ message: ReportMessage) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__worker_report__init)
    unsafe wire.id = message.id
    unsafe wire.setNumbers(\.n_descriptors, \.descriptors, wireRoles(message.roles))
    switch message.report {
    case .ready:
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_READY
      unsafe wire.make(\.ready, mounter__v1__ready__init)
    case .failed(let reason):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_FAILED
      unsafe wire.make(\.failed, mounter__v1__failed__init).reason = withoutNul(reason)
    case .refused(let refusal, let reason):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_FAILED
      let part = unsafe wire.make(\.failed, mounter__v1__failed__init)
      unsafe part.reason = withoutNul(reason)
      unsafe part.refusal = refusal.wire
    case .progress(let what):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_PROGRESS
      unsafe wire.make(\.progress, mounter__v1__progress__init).what = withoutNul(what)
    case .completed:
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_COMPLETED
      unsafe wire.make(\.completed, mounter__v1__completed__init)
    case .answered:
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_ANSWERED
      unsafe wire.make(\.answered, mounter__v1__answered__init)
    case .work(let work):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_WORK
      let part = unsafe wire.make(\.work, mounter__v1__work__init)
      unsafe part.answered = work.answered
      unsafe part.working = work.working
      unsafe part.oldest_ms = work.oldestMilliseconds
    case .holdNode(let node):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_HOLD_NODE
      unsafe wire.make(\.hold_node, mounter__v1__hold_node__init).node = node
    case .releaseNode(let node):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_RELEASE_NODE
      unsafe wire.make(\.release_node, mounter__v1__release_node__init).node = node
    case .openBacking(let node, let call):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_OPEN_BACKING
      let part = unsafe wire.make(\.open_backing, mounter__v1__open_backing__init)
      unsafe part.node = node
      unsafe part.call = call
    case .closeBacking(let node, let id):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_CLOSE_BACKING
      let part = unsafe wire.make(\.close_backing, mounter__v1__close_backing__init)
      unsafe part.node = node
      unsafe part.backing_id = id
    case .counters(let counters):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_COUNTERS
      unsafe counters.fill(wire.make(\.counters, mounter__v1__counters__init))
    case .activity(let activity):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_ACTIVITY
      unsafe activity.fill(wire.make(\.activity, mounter__v1__activity__init))
    case .credentials(let revision, let problem):
      unsafe wire.report_case = MOUNTER__V1__WORKER_REPORT__REPORT_CREDENTIALS
      let part = unsafe wire.make(\.credentials, mounter__v1__credentials__init)
      unsafe part.revision = revision
      unsafe part.problem = withoutNul(problem ?? "")
    case nil: break
    }
    return unsafe wire.packed()
  }

  /// - Throws: `WireError` for bytes that are no message.
  static func report(_ bytes: [UInt8]) throws -> ReportMessage {
    unsafe try parse(bytes, unsafe mounter__v1__worker_report__init) { wire in
      let report: WorkerReport? =
        switch unsafe wire.report_case {
        case MOUNTER__V1__WORKER_REPORT__REPORT_READY: .ready
        case MOUNTER__V1__WORKER_REPORT__REPORT_FAILED:
          if let failed = unsafe wire.failed { unsafe Self.failure(failed) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_PROGRESS:
          if let progress = unsafe wire.progress { .progress(unsafe progress.what) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_COMPLETED: .completed
        case MOUNTER__V1__WORKER_REPORT__REPORT_ANSWERED: .answered
        case MOUNTER__V1__WORKER_REPORT__REPORT_WORK:
          if let work = unsafe wire.work {
            .work(
              WorkerProgress(
                answered: unsafe work.answered, working: unsafe work.working, oldestMilliseconds: unsafe work.oldest_ms)
            )
          } else {
            nil
          }
        case MOUNTER__V1__WORKER_REPORT__REPORT_HOLD_NODE:
          if let hold = unsafe wire.hold_node { .holdNode(unsafe hold.node) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_RELEASE_NODE:
          if let release = unsafe wire.release_node { .releaseNode(unsafe release.node) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_OPEN_BACKING:
          if let open = unsafe wire.open_backing { unsafe .openBacking(open.node, call: open.call) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_CLOSE_BACKING:
          if let close = unsafe wire.close_backing { unsafe .closeBacking(close.node, close.backing_id) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_COUNTERS:
          if let counters = unsafe wire.counters { unsafe .counters(VolumeCounters(wire: counters)) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_ACTIVITY:
          if let activity = unsafe wire.activity { unsafe .activity(WorkerActivity(wire: activity)) } else { nil }
        case MOUNTER__V1__WORKER_REPORT__REPORT_CREDENTIALS:
          if let part = unsafe wire.credentials {
            unsafe .credentials(revision: part.revision, problem: part.problem.isEmpty ? nil : part.problem)
          } else {
            nil
          }
        default: nil
        }
      return ReportMessage(
        id: unsafe wire.id, roles: roles(unsafe wire.numbers(\.n_descriptors, \.descriptors)), report: report)
    }
  }

  private static func failure(_ wire: borrowing MessageView<Mounter__V1__Failed>) -> WorkerReport {
    let reason = unsafe wire.reason
    guard let refusal = unsafe UnderFileSystemRefusal(wire: wire.refusal) else { return .failed(reason: reason) }
    return .refused(refusal, reason: reason)
  }

  static func encode(_ secrets: VolumeSecrets) -> [UInt8] {
    let wire = unsafe MessageBuilder(mounter__v1__secrets__init)
    unsafe wire.setMap(
      \.n_values, \.values, secrets.values, mounter__v1__secrets__values_entry__init, \.key, \.value)
    return unsafe wire.packed()
  }

  /// - Throws: `WireError` for bytes that are no message; it names a field, never what it holds.
  static func secrets(_ bytes: [UInt8]) throws -> VolumeSecrets {
    unsafe try parse(bytes, unsafe mounter__v1__secrets__init) { wire in
      VolumeSecrets(unsafe wire.map(\.n_values, \.values, \.key, \.value))
    }
  }
}
