internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

extension WorkerActivity {
  /// There are some 130 numbers; what comes from a worker may be anything.
  private static let longestList = 256

  init(wire: borrowing MessageView<Mounter__V1__Activity>) {
    self.init()
    answered = unsafe wire.answered
    readBytes = unsafe wire.read_bytes
    writtenBytes = unsafe wire.written_bytes
    let all: [Errors] = unsafe wire.list(\.n_errors, \.errors) { unsafe Errors($0.number, $0.count) }
    errors = Array(all.prefix(Self.longestList))
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Activity>) {
    unsafe wire.answered = answered
    unsafe wire.read_bytes = readBytes
    unsafe wire.written_bytes = writtenBytes
    unsafe wire.setList(\.n_errors, \.errors, errors, mounter__v1__activity__errors__init) { wire, error in
      unsafe wire.number = error.number
      unsafe wire.count = error.count
    }
  }
}

extension WorkerExit.Kind {
  /// One of a newer version is unknown here.
  init(wire: Mounter__V1__Death__Cause) { self = Self.allCases.first { $0.wire == wire } ?? .unknown }

  var wire: Mounter__V1__Death__Cause {
    switch self {
    case .exit: MOUNTER__V1__DEATH__CAUSE__CAUSE_EXITED
    case .signal: MOUNTER__V1__DEATH__CAUSE__CAUSE_SIGNALED
    case .outOfMemory: MOUNTER__V1__DEATH__CAUSE__CAUSE_OUT_OF_MEMORY
    case .unanswering: MOUNTER__V1__DEATH__CAUSE__CAUSE_UNANSWERING
    case .replaced: MOUNTER__V1__DEATH__CAUSE__CAUSE_REPLACED
    case .disconnected: MOUNTER__V1__DEATH__CAUSE__CAUSE_DISCONNECTED
    case .notServing: MOUNTER__V1__DEATH__CAUSE__CAUSE_NOT_SERVING
    case .unknown: MOUNTER__V1__DEATH__CAUSE__CAUSE_UNSPECIFIED
    }
  }
}
