internal import HTTP
package import LinuxSystem
internal import Logging
internal import VolumeModel

/// What is wrong with a volume's object store, in one line for the person who set it up.
package struct Diagnosis: Sendable, Hashable, CustomStringConvertible {
  /// For the status code of the call.
  package let kind: ObjectStoreError.Kind
  /// What is wrong and what to do; holds no secret.
  package let sentence: String
  package var description: String { sentence }
}

extension ObjectStoreClient {
  /// From this difference on the clocks are named in a diagnosis; services take 15 minutes.
  private static let notableSkew: Int64 = 120

  /// Lists one object and reads one byte of it: what every use of a volume needs. Waits, but not past the deadline.
  /// - Parameter prefix: of the volume, with its trailing slash, or empty.
  /// - Returns: nil where all is well. A prefix without objects is an empty directory, and well.
  package func check(prefix: ObjectKey, by deadline: Deadline) -> Diagnosis? {
    var policy = RetryPolicy(attempts: 3)
    policy.longestWait = .seconds(1)
    let probe = ObjectStoreClient(
      endpoint, transport: transport, credentials: credentials, settings: settings.with(policy), clock: clock,
      statistics: statistics, log: log)
    do throws(ObjectStoreError) {
      let page = try probe.perform(.list(prefix: prefix, delimiter: nil, limit: 10), by: deadline)
      adopt(probe)
      guard let object = page.objects.first(where: { $0.size > 0 && $0.storageClass.isEmpty }) else { return nil }
      _ = try probe.perform(.get(object.key, offset: 0, count: 1, into: NoSink()), by: deadline)
      return nil
    } catch {
      // Deleted between the two, or replaced: it was readable.
      if error.operation == .get, [.noSuchKey, .preconditionFailed, .invalidRange].contains(error.kind) { return nil }
      log.info("the object store cannot be used", metadata: ["error": "\(error)"])
      return Diagnosis(kind: error.kind, sentence: probe.sentence(for: error, prefix: prefix))
    }
  }

  /// Of an error that a request of the volume ended with.
  /// - Parameter prefix: as for ``check(prefix:by:)``.
  package func diagnosis(of error: ObjectStoreError, prefix: ObjectKey) -> Diagnosis {
    Diagnosis(kind: error.kind, sentence: sentence(for: error, prefix: prefix))
  }

  /// What the probe learned is right for this client, too.
  private func adopt(_ probe: ObjectStoreClient) {
    _ = learn(region: probe.endpoint.region)
    learn(clockOffset: probe.clockOffset)
  }

  /// One line: what is wrong, where, and what to do.
  func sentence(for error: ObjectStoreError, prefix: ObjectKey) -> String {
    let keys = KeyNames(endpoint.service)
    let place = "bucket \(endpoint.bucket) at \(endpoint.address.authority)"
    let id = error.requestID.map { " (request id \($0))" } ?? ""
    switch error.kind {
    case .noSuchBucket: return "there is no \(place): check the path of the volume\(id)"
    case .wrongRegion:
      let right = error.region.map { "is in region \($0), not \(endpoint.firstRegion)" } ?? "is in another region"
      return "\(place) \(right): correct \(keys.region), or leave region and endpoint out\(id)"
    case .invalidAccessKey: return "\(place) does not know the access key: check \(keys.id) in the secret\(id)"
    case .badSignature: return "\(place) refuses the signature: check \(keys.secret) in the secret\(skew(error))\(id)"
    case .clockSkew: return "\(place) refuses requests of this node's time\(skew(error)): set the clock\(id)"
    case .expiredCredentials: return "\(place) says that the temporary access key has expired: renew the secret\(id)"
    case .noCredentials: return "there are no credentials for \(place): \(error.message)"
    case .accessDenied:
      let (what, right) = error.operation.permission
      let name = prefix.bytes.isEmpty ? "" : " below \(ObjectStoreError.clean(prefix.description))"
      return "the credentials may not \(what) objects in \(place)\(name): grant \(right)\(id)"
    case .tls:
      return "TLS with \(endpoint.address.authority) failed: \(error.message): check its certificate and whose "
        + "authorities the node trusts"
    case .unreachable, .connectionLost:
      return "\(endpoint.address.authority) cannot be reached: \(error.message): check \(keys.endpoint) and the network"
    case .timeout, .deadlineExceeded:
      return "\(endpoint.address.authority) does not answer in time: check \(keys.endpoint) and the network"
    case .malformedReply:
      return
        "what answers at \(endpoint.address.authority) is no object store: \(error.message): check \(keys.endpoint)"
    case .slowDown, .server:
      return "\(place) is overloaded or out of order: \(error.code ?? error.message)\(id)"
    default: return "\(place) refuses the request: \(error.code ?? error.message)\(id)"
    }
  }

  private func skew(_ error: ObjectStoreError) -> String {
    guard let ahead = error.clockAhead, abs(ahead) >= Self.notableSkew else { return "" }
    return "; this node's clock is \(abs(ahead)) s \(ahead > 0 ? "ahead of" : "behind") the service's"
  }
}

extension ObjectOperation {
  /// What it does to objects, and what allows it.
  fileprivate var permission: (verb: String, right: String) {
    switch self {
    case .headBucket, .list: ("list", "s3:ListBucket")
    case .head, .get: ("read", "s3:GetObject")
    case .put, .createUpload, .uploadPart, .completeUpload: ("write", "s3:PutObject")
    case .copy, .copyPart: ("copy", "s3:GetObject and s3:PutObject")
    case .delete, .deleteBatch: ("delete", "s3:DeleteObject")
    case .abortUpload: ("abort uploads of", "s3:AbortMultipartUpload")
    case .listUploads: ("list uploads of", "s3:ListBucketMultipartUploads")
    }
  }
}

/// The keys that a sentence tells to look at.
private struct KeyNames {
  let id: String
  let secret: String
  let endpoint: String
  let region: String

  init(_ service: Endpoint.Service) {
    let isOSS = service == .oss
    id = (isOSS ? VolumeContextKey.ossAccessKeyID : VolumeContextKey.s3AccessKeyID).name
    secret = (isOSS ? VolumeContextKey.ossAccessKeySecret : VolumeContextKey.s3SecretKey).name
    endpoint = (isOSS ? VolumeContextKey.ossEndpoint : .s3Endpoint).name
    region = (isOSS ? VolumeContextKey.ossEndpoint : .s3Region).name
  }
}

extension ObjectStoreClient.Settings {
  func with(_ policy: RetryPolicy) -> Self {
    var copy = self
    copy.policy = policy
    return copy
  }
}

/// Reads nothing but that it can be read.
private final class NoSink: ObjectContentSink {
  func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception { .go }
}
