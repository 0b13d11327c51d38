internal import ObjectStore
internal import UnderFileSystem
internal import VolumeModel

extension CSIError {
  /// What an object store refuses, whichever call meets it.
  /// - Parameters:
  ///   - sentence: what is wrong and what to do, for people.
  ///   - step: what was tried.
  static func refused(_ refusal: UnderFileSystemRefusal, _ sentence: String, step: String) -> CSIError {
    switch refusal {
    case .absent: .underFileSystemAbsent(problem: sentence)
    case .configuration: .underFileSystemMisnamed(problem: sentence)
    case .credentials: .permissionDenied(problem: sentence)
    case .unreachable: .unavailable(problem: sentence)
    case .full: .exhausted(problem: sentence)
    case .other: .failed(step: step, cause: sentence)
    }
  }

  /// What an object store refused, or did not answer, to a call of the controller.
  /// - Parameters:
  ///   - step: what was tried, and where.
  ///   - explain: what is wrong and what to do, for people.
  static func objectStore(
    _ error: BucketError, step: String, _ explain: (ObjectStoreError) -> String = \.description
  ) -> CSIError {
    guard let cause = error.cause else {
      return error.kind == .late ? .deadlineExceeded(step: step) : .failed(step: step, cause: error.description)
    }
    switch cause.kind {
    // The call's own end, not the store's answer.
    case .deadlineExceeded: return .deadlineExceeded(step: step)
    case .cancelled: return .cancelled(step: step)
    default:
      let refusal = cause.kind.refusal
      let words = explain(cause)
      return refused(refusal, refusal == .other ? words : "\(step) failed: \(words)", step: step)
    }
  }
}
