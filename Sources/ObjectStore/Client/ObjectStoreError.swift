internal import VolumeModel

/// What a request is for, as counters and messages name it.
package enum ObjectOperation: String, Sendable, Hashable, CaseIterable {
  case headBucket = "head bucket"
  case list = "list objects"
  case head = "head object"
  case get = "get object"
  case put = "put object"
  case copy = "copy object"
  case delete = "delete object"
  case deleteBatch = "delete objects"
  case createUpload = "create upload"
  case uploadPart = "upload part"
  case copyPart = "copy part"
  case completeUpload = "complete upload"
  case abortUpload = "abort upload"
  case listUploads = "list uploads"
}

/// Why a request has no result. It holds nothing secret, and no key of an object: an error may reach a log that others read.
package struct ObjectStoreError: Error, Sendable, Hashable {
  /// What a caller does differently.
  package enum Kind: Sendable, Hashable, CaseIterable {
    case noSuchKey, noSuchBucket, noSuchUpload
    case accessDenied
    /// The service does not know the access key; the signature is wrong; the temporary key's time is over.
    case invalidAccessKey, badSignature, expiredCredentials
    /// Where credentials should come from, there are none. `message` says where was looked.
    case noCredentials
    /// The clocks of service and node differ by more than it takes.
    case clockSkew
    /// The bucket is in another region; `region` is the right one where the service told.
    case wrongRegion
    /// `If-Match` or `If-None-Match` did not hold.
    case preconditionFailed
    /// Another request for the same key was under way.
    case conflict
    /// Nothing of the object is in the range.
    case invalidRange
    /// The object has to be restored from an archive first.
    case archived
    case tooLarge, storageFull
    /// The service does not offer the operation.
    case unsupported
    case slowDown
    /// 500, 502, 504 and what stands for them.
    case server
    /// The name has no address, nobody answers, or the connection was lost.
    case unreachable, connectionLost
    case tls
    /// Nothing within the time of one attempt; or the caller's deadline passed.
    case timeout, deadlineExceeded
    /// The answer is not one.
    case malformedReply
    case invalidRequest
    case cancelled
    case other
  }

  /// What happened, and to what.
  package var kind: Kind
  package var operation: ObjectOperation
  /// Host and port.
  package var endpoint: String
  package var bucket: String
  package var status: Int?
  /// The service's own name of the error.
  package var code: String?
  /// For people; without control characters and credentials, of bounded length.
  package var message: String
  /// By which the service's owner finds the request: `x-amz-request-id` or `x-oss-request-id`, and `x-amz-id-2`.
  package var requestID: String?
  package var hostID: String?
  /// How often the request was sent.
  package var attempts = 0
  /// The right region, where the service told.
  package var region: String?
  /// The service's clock at the time of the answer, where it told.
  package var serverTime: UTCTime?
  /// By how many seconds this node's clock was ahead of the service's.
  package var clockAhead: Int64?
  /// How long the service asks to wait.
  package var retryAfter: Duration?
  /// Whether the service may have done what was asked, in one of the attempts.
  package var mayHaveHappened = false

  package init(
    _ kind: Kind, _ operation: ObjectOperation, endpoint: String = "", bucket: String = "", status: Int? = nil,
    code: String? = nil, message: String
  ) {
    self.kind = kind
    self.operation = operation
    self.endpoint = endpoint
    self.bucket = bucket
    self.status = status
    self.code = code
    self.message = message
  }
}

extension ObjectStoreError: CustomStringConvertible {
  /// One line: what failed where, the service's words, and by what its owner finds it.
  package var description: String {
    var text = "\(operation.rawValue) at \(endpoint): "
    let name = [code, status.map(String.init)].compactMap { $0 }.joined(separator: " ")
    text += name.isEmpty ? message : "\(name): \(message)"
    if let requestID { text += "; request id \(requestID)" }
    if let hostID { text += ", host id \(hostID)" }
    if attempts > 1 { text += "; after \(attempts) attempts" }
    return text
  }

  /// A service's words for a message: one line, cut, without what was sent to it.
  static func clean(_ text: String, longest: Int = 300, hiding credentials: ObjectStoreCredentials? = nil) -> String {
    let redacted = credentials?.redacting(text) ?? text
    let line = redacted.unicodeScalars.map { isInvisible($0) ? " " : Character($0) }
    return line.count > longest ? String(line.prefix(longest)) + "…" : String(line)
  }

  /// What would begin a new line, talk to a terminal, or turn the direction of what follows.
  private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator: true
    default: false
    }
  }
}
