package import VolumeModel

extension Diagnosis {
  /// What it is to callers that know nothing of object stores.
  package var refusal: UnderFileSystemRefusal {
    switch kind {
    case .noSuchBucket, .noSuchKey: .absent
    case .accessDenied, .invalidAccessKey, .badSignature, .expiredCredentials, .noCredentials, .clockSkew: .credentials
    case .wrongRegion, .tls, .malformedReply, .unsupported, .invalidRequest: .configuration
    case .unreachable, .connectionLost, .timeout, .deadlineExceeded, .slowDown, .server: .unreachable
    case .noSuchUpload, .preconditionFailed, .conflict, .invalidRange, .archived, .tooLarge, .storageFull, .cancelled,
      .other:
      .other
    }
  }
}
