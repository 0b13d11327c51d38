package import VolumeModel

extension ObjectStoreError.Kind {
  /// What it is to callers that know nothing of object stores: the one table, for mounts and for the controller's calls.
  package var refusal: UnderFileSystemRefusal {
    switch self {
    case .noSuchBucket: .absent
    case .accessDenied, .invalidAccessKey, .badSignature, .expiredCredentials, .noCredentials, .clockSkew: .credentials
    case .wrongRegion, .tls, .malformedReply, .unsupported, .invalidRequest: .configuration
    case .unreachable, .connectionLost, .timeout, .deadlineExceeded, .slowDown, .server, .conflict, .preconditionFailed:
      .unreachable
    case .storageFull: .full
    case .noSuchKey, .noSuchUpload, .invalidRange, .archived, .tooLarge, .cancelled, .other: .other
    }
  }
}

extension Diagnosis {
  /// What it is to callers that know nothing of object stores.
  package var refusal: UnderFileSystemRefusal { kind.refusal }
}
