internal import ObjectStore
internal import UnderFileSystem

extension CSIError {
  /// What an object store refused, or did not answer.
  /// - Parameters:
  ///   - step: what was tried, and where.
  ///   - explain: what is wrong and what to do, for people.
  static func objectStore(
    _ error: BucketError, step: String, _ explain: (ObjectStoreError) -> String = \.description
  ) -> CSIError {
    guard let cause = error.cause else {
      return error.kind == .late ? .deadlineExceeded(step: step) : .failed(step: step, cause: error.description)
    }
    let problem = "\(step) failed: \(explain(cause))"
    switch cause.kind {
    case .accessDenied, .invalidAccessKey, .badSignature, .expiredCredentials, .noCredentials, .clockSkew:
      return .permissionDenied(problem: problem)
    case .noSuchBucket, .wrongRegion: return .precondition(problem: problem)
    case .slowDown, .server, .unreachable, .connectionLost, .tls, .timeout, .malformedReply, .conflict,
      .preconditionFailed:
      return .unavailable(problem: problem)
    case .deadlineExceeded: return .deadlineExceeded(step: step)
    case .storageFull: return .exhausted(problem: problem)
    case .cancelled: return .cancelled(step: step)
    case .noSuchKey, .noSuchUpload, .invalidRange, .archived, .tooLarge, .unsupported, .invalidRequest, .other:
      return .failed(step: step, cause: explain(cause))
    }
  }
}
