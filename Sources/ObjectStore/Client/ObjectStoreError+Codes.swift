/// What codes and statuses of S3 and OSS mean: the one table of them.
extension ObjectStoreError.Kind {
  /// - Parameters:
  ///   - code: of the error document; nil where there was none, as with HEAD.
  ///   - isBucket: whether the request named the bucket alone.
  init(status: Int, code: String?, isBucket: Bool) {
    self = code.flatMap(Self.named) ?? Self.plain(status: status, isBucket: isBucket)
  }

  private static let codes: [String: ObjectStoreError.Kind] = [
    "NoSuchKey": .noSuchKey, "NoSuchVersion": .noSuchKey, "NoSuchBucket": .noSuchBucket,
    "NoSuchUpload": .noSuchUpload,
    "AccessDenied": .accessDenied, "AccountProblem": .accessDenied, "AllAccessDisabled": .accessDenied,
    "UserDisable": .accessDenied, "InvalidAccessKeyId": .invalidAccessKey, "InvalidSecurity": .invalidAccessKey,
    "InvalidClientTokenId": .invalidAccessKey, "UnrecognizedClientException": .invalidAccessKey,
    "SignatureDoesNotMatch": .badSignature, "XAmzContentSHA256Mismatch": .badSignature,
    "ExpiredToken": .expiredCredentials, "ExpiredTokenException": .expiredCredentials,
    "TokenRefreshRequired": .expiredCredentials, "InvalidToken": .expiredCredentials,
    "SecurityTokenExpired": .expiredCredentials,
    "RequestTimeTooSkewed": .clockSkew, "RequestExpired": .clockSkew,
    "AuthorizationHeaderMalformed": .wrongRegion, "PermanentRedirect": .wrongRegion, "Redirect": .wrongRegion,
    "TemporaryRedirect": .wrongRegion, "IllegalLocationConstraintException": .wrongRegion,
    "PreconditionFailed": .preconditionFailed, "FileAlreadyExists": .preconditionFailed,
    "ConditionalRequestConflict": .conflict, "OperationAborted": .conflict,
    "InvalidRange": .invalidRange, "InvalidObjectState": .archived, "EntityTooLarge": .tooLarge,
    "QuotaExceeded": .storageFull, "XMinioStorageFull": .storageFull, "XMinioAdminBucketQuotaExceeded": .storageFull,
    "NotImplemented": .unsupported, "MethodNotAllowed": .unsupported,
    "SlowDown": .slowDown, "SlowDownRead": .slowDown, "SlowDownWrite": .slowDown, "Throttling": .slowDown,
    "ThrottlingException": .slowDown, "RequestLimitExceeded": .slowDown, "TooManyRequests": .slowDown,
    "QpsLimitExceeded": .slowDown, "BandwidthLimitExceeded": .slowDown, "ServiceUnavailable": .slowDown,
    "InternalError": .server, "InternalFailure": .server, "InternalServerError": .server, "Busy": .server,
    "RequestTimeout": .timeout, "IncompleteBody": .connectionLost, "BadDigest": .connectionLost,
  ]

  private static func named(_ code: String) -> ObjectStoreError.Kind? { codes[code] }

  private static func plain(status: Int, isBucket: Bool) -> ObjectStoreError.Kind {
    switch status {
    case 301, 302, 307, 308: .wrongRegion
    case 401, 403: .accessDenied
    case 404: isBucket ? .noSuchBucket : .noSuchKey
    case 405, 501: .unsupported
    case 408: .timeout
    case 409: .conflict
    case 412: .preconditionFailed
    case 413: .tooLarge
    case 416: .invalidRange
    case 429, 503: .slowDown
    case 507: .storageFull
    case 500...599: .server
    case 400...499: .invalidRequest
    default: .malformedReply
    }
  }

  /// Whether the same request may succeed a moment later.
  var isPassing: Bool {
    switch self {
    case .slowDown, .server, .connectionLost, .timeout, .unreachable, .malformedReply, .conflict: true
    default: false
    }
  }
}
