internal import HTTP
package import LinuxSystem
package import ObjectStore
import Synchronization
import SystemPackage
internal import VolumeModel

/// A bucket of a service, reached by requests.
package final class ClientBucket: ObjectBucket {
  private let client: ObjectStoreClient
  /// How long one call may take, with all its attempts.
  private let patience: Duration
  private let deadline: Deadline
  package let name: String

  /// - Parameters:
  ///   - patience: bounds every call.
  ///   - deadline: bounds all of them.
  package init(_ client: ObjectStoreClient, patience: Duration = .seconds(60), by deadline: Deadline = .never) {
    self.client = client
    self.patience = patience
    self.deadline = deadline
    let endpoint = client.endpoint
    name = "\(endpoint.address.authority)/\(endpoint.bucket)"
  }

  private var limit: Deadline { min(.after(patience), deadline) }

  private func perform<Value>(_ request: ObjectRequest<Value>) throws(BucketError) -> Value {
    do throws(ObjectStoreError) {
      return try client.perform(request, by: limit)
    } catch {
      throw BucketError(error)
    }
  }

  /// What is read by `If-Match` needs a tag.
  private static func tag(_ tag: EntityTag?) throws(BucketError) -> EntityTag {
    guard let tag else { throw BucketError(.other, "the service names no ETag") }
    return tag
  }

  private static func condition(_ ifAbsent: Bool) -> PutCondition { ifAbsent ? .absent : .none }

  package func head(_ key: ObjectKey) throws(BucketError) -> ObjectVersion {
    let info = try perform(.head(key))
    return ObjectVersion(
      size: Int64(info.size), entityTag: try Self.tag(info.entityTag), lastModified: info.lastModified?.seconds ?? 0)
  }

  package func list(_ request: ListRequest) throws(BucketError) -> ObjectPage {
    let listed = try perform(
      .list(
        prefix: request.prefix, delimiter: request.isDelimited ? "/" : nil,
        continuation: request.continuation.flatMap(Self.continuation), after: request.startAfter, limit: request.limit))
    var page = ObjectPage()
    page.objects = try listed.objects.map { (object) throws(BucketError) in
      let tag = try Self.tag(object.entityTag)
      let time = object.lastModified?.seconds ?? 0
      return (object.key, ObjectVersion(size: Int64(object.size), entityTag: tag, lastModified: time))
    }
    page.prefixes = listed.prefixes
    switch listed.next {
    case .token(let token): page.continuation = "t\(token)"
    case .after(let key): page.continuation = "k\(key)"
    case nil: break
    }
    return page
  }

  /// The letter before says which kind it is.
  private static func continuation(_ text: String) -> ListPage.Continuation? {
    switch text.utf8.first {
    case UInt8(ascii: "t"): .token(String(text.dropFirst()))
    case UInt8(ascii: "k"): .after(ObjectKey(bytes: text.utf8.dropFirst()))
    default: nil
    }
  }

  package func read(
    _ key: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag, into sink: any ObjectSink
  ) -> any ObjectTransfer {
    let content = BucketContent(sink, tag)
    let request = ObjectRequest<RangeResult>.get(
      key, offset: UInt64(range.lowerBound), count: UInt64(range.count), ifMatch: tag, into: content)
    let exchange = client.start(request, by: limit) { result in
      switch result {
      case .success(let read) where read.count == UInt64(range.count): sink.finish(nil)
      case .success: sink.finish(BucketError(.range, "the object ends before the range does"))
      case .failure(let error): sink.finish(BucketError(error))
      }
    }
    return BucketTransfer(exchange)
  }

  package func put(_ key: ObjectKey, _ body: ObjectBody, ifAbsent: Bool) throws(BucketError) -> EntityTag {
    try Self.tag(try perform(.put(key, body.sent, if: Self.condition(ifAbsent))).entityTag)
  }

  package func copy(
    _ source: ObjectKey, ifMatch tag: EntityTag, to target: ObjectKey, ifAbsent: Bool
  ) throws(BucketError) -> EntityTag {
    let bucket = client.endpoint.bucket
    return try Self.tag(
      try perform(.copy(source, to: target, bucket: bucket, ifMatch: tag, if: Self.condition(ifAbsent))).entityTag)
  }

  package func delete(_ key: ObjectKey) throws(BucketError) {
    do throws(BucketError) { try perform(.delete(key)) } catch  where error.kind == .notFound {}
  }

  package func delete(_ keys: [ObjectKey]) throws(BucketError) -> [FailedDeletion] {
    if keys.isEmpty { return [] }
    if let request = ObjectRequest<[FailedDeletion]>.delete(keys) { return try perform(request) }
    // A key that XML cannot hold: one by one.
    var left: [FailedDeletion] = []
    for key in keys {
      do throws(BucketError) { try delete(key) } catch {
        guard let cause = error.cause, let code = cause.code else { throw error }
        left.append(FailedDeletion(key: key, code: code, message: cause.message))
      }
    }
    return left
  }

  package func createUpload(_ key: ObjectKey) throws(BucketError) -> String { try perform(.createUpload(key)) }

  package func putPart(
    _ number: Int, of upload: ObjectUpload, _ body: ObjectBody
  ) throws(BucketError) -> EntityTag {
    try perform(.uploadPart(upload.key, uploadID: upload.uploadID, number: number, body.sent)).entityTag
  }

  package func copyPart(
    _ number: Int, of upload: ObjectUpload, from source: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag
  ) throws(BucketError) -> EntityTag {
    try perform(
      .copyPart(
        source, range: UInt64(range.lowerBound)...UInt64(range.upperBound - 1), to: upload.key,
        bucket: client.endpoint.bucket, uploadID: upload.uploadID, number: number, ifMatch: tag)
    ).entityTag
  }

  package func complete(
    _ upload: ObjectUpload, parts: [(number: Int, tag: EntityTag)], ifAbsent: Bool
  ) throws(BucketError) -> EntityTag {
    let uploaded = parts.map { UploadedPart(number: $0.number, entityTag: $0.tag) }
    return try Self.tag(
      try perform(
        .completeUpload(
          upload.key, uploadID: upload.uploadID, parts: uploaded, size: nil, if: Self.condition(ifAbsent))
      ).entityTag)
  }

  package func abort(_ upload: ObjectUpload) throws(BucketError) {
    do throws(BucketError) {
      try perform(.abortUpload(upload.key, uploadID: upload.uploadID))
    } catch  where error.kind == .notFound {}
  }

  package func listUploads(prefix: ObjectKey, after marker: UploadPage.Marker?) throws(BucketError) -> UploadPage {
    try perform(.listUploads(prefix: prefix, after: marker))
  }
}

/// Hands a range's bytes on. Its sink must not cancel the transfer from within `receive`, but answer false.
private final class BucketContent: ObjectContentSink {
  private let sink: any ObjectSink
  private let tag: EntityTag
  private let isWanted = Mutex<Bool?>(nil)

  init(_ sink: any ObjectSink, _ tag: EntityTag) {
    self.sink = sink
    self.tag = tag
  }

  func receive(_ bytes: RawSpan, at offset: UInt64) -> HTTPReception {
    // The client lets no other version through.
    let begins = isWanted.withLock { $0 == nil }
    if begins {
      let wanted = sink.begin(tag)
      isWanted.withLock { $0 = wanted }
    }
    return isWanted.withLock { $0 == true } && sink.receive(bytes) ? .go : .stop
  }
}

private final class BucketTransfer: ObjectTransfer {
  private let exchange: ObjectExchange

  init(_ exchange: ObjectExchange) { self.exchange = exchange }

  func cancel() { exchange.cancel() }
}

extension ObjectBody {
  /// As it is sent.
  fileprivate var sent: HTTPBody {
    switch self {
    case .bytes(let bytes): .bytes(bytes)
    case .file(let file, let offset, let length): .source(FilePart(file: file, offset: offset, length: UInt64(length)))
    }
  }
}

/// A part of a file as a body.
private struct FilePart: HTTPBodySource {
  let file: SharedDescriptor
  let offset: Int64
  let length: UInt64

  func read(into buffer: inout MutableRawSpan, at place: UInt64) throws(Errno) -> Int {
    guard place < length else { return 0 }
    let read = try file.descriptor.read(into: &buffer, at: offset + Int64(place))
    return Int(min(UInt64(read), length - place))
  }
}

extension BucketError {
  init(_ error: ObjectStoreError) {
    let kind: Kind =
      switch error.kind {
      case .noSuchKey, .noSuchUpload: .notFound
      case .preconditionFailed: .precondition
      case .conflict: .conflict
      case .accessDenied, .invalidAccessKey, .badSignature, .expiredCredentials, .noCredentials, .clockSkew, .archived:
        .forbidden
      case .invalidRange: .range
      case .tooLarge: .tooLarge
      case .unsupported: .unsupported
      case .cancelled: .cancelled
      case .storageFull: .full
      case .timeout, .deadlineExceeded: .late
      case .unreachable, .connectionLost, .tls, .malformedReply: .unreachable
      // Not `.notFound`: that no file is there would be a lie on which applications make new ones.
      case .noSuchBucket, .wrongRegion, .slowDown, .server, .invalidRequest, .other: .other
      }
    self.init(kind, error.description, cause: error)
  }
}
