package import GRPC
internal import VolumeModel

extension CSIError {
  /// THE table: which status each situation has (CSI specification, "Error Scheme" and the tables of each call).
  package var code: StatusCode {
    switch self {
    case .missingField, .malformedField, .volumeContext: .invalidArgument
    // The specification leaves the code of an unsupported capability open; the request cannot be repeated with success.
    case .unsupportedCapability: .invalidArgument
    case .notImplemented: .unimplemented
    case .notFound: .notFound
    case .incompatibleRepeat: .alreadyExists
    case .inProgress: .aborted
    case .volumeInUse: .failedPrecondition
    case .singleWriter: .failedPrecondition
    case .precondition: .failedPrecondition
    // "Caller SHOULD start the ListVolumes operation again": ABORTED, not INVALID_ARGUMENT.
    case .badPagingToken: .aborted
    case .outOfRange: .outOfRange
    case .exhausted: .resourceExhausted
    // Where calls have it for volumes that are not there, their bucket is what is not there.
    case .underFileSystemAbsent: .notFound
    case .underFileSystemMisnamed: .invalidArgument
    case .permissionDenied: .permissionDenied
    case .unavailable: .unavailable
    case .deadlineExceeded: .deadlineExceeded
    case .cancelled: .cancelled
    case .failed: .internal
    }
  }

  /// What the caller reads.
  package var message: String {
    switch self {
    case .missingField(let field): "\(field) is missing: set it"
    case .malformedField(let field, let problem): "\(field) \(problem)"
    case .volumeContext(let error): error.description
    case .unsupportedCapability(let reason): reason
    case .notImplemented(let method, let reason): "\(method) is not offered: \(reason)"
    case .notFound(let what, let name, let advice):
      "\(what) \(VolumeContextError.quoted(name)) does not exist" + (advice.isEmpty ? "" : ": \(advice)")
    case .incompatibleRepeat(let what, let name, let difference):
      "\(what) \(VolumeContextError.quoted(name)) exists with another \(difference): use another name, or ask for what there is"
    case .inProgress(let what, let name):
      "another call for \(what) \(VolumeContextError.quoted(name)) is in progress: wait for it and try again"
    case .volumeInUse(let volume, let nodes):
      "volume \(VolumeContextError.quoted(volume)) is published on \(nodes.joined(separator: ", ")): unpublish it there first"
    case .singleWriter(let volume, let holder):
      """
      volume \(VolumeContextError.quoted(volume)) is for one pod only and is published at \(holder): \
      end that pod first, or use an access mode for several
      """
    case .precondition(let problem), .outOfRange(let problem), .exhausted(let problem), .permissionDenied(let problem),
      .unavailable(let problem), .underFileSystemAbsent(let problem), .underFileSystemMisnamed(let problem):
      problem
    case .badPagingToken: "starting_token is not one of this driver's: list again from the beginning"
    case .deadlineExceeded(let step): "the deadline passed while \(step): try again"
    case .cancelled(let step): "the caller gave up while \(step)"
    case .failed(let step, let cause): "\(step) failed: \(cause)"
    }
  }
}

extension CSIError: CustomStringConvertible {
  package var description: String { message }
}

extension RPCError {
  /// The status that a failed call answers with. One line, whatever names are in it: it becomes an event of a claim or pod.
  package init(_ error: CSIError) {
    self.init(error.code, error.message.split(whereSeparator: \.isNewline).joined(separator: " "))
  }
}
