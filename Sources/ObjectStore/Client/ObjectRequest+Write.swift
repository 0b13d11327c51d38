package import HTTP
internal import VolumeModel

/// What a put or a completed upload made.
package struct StoredObject: Sendable, Hashable {
  /// Of the new version; some services leave it out.
  package var entityTag: EntityTag?

  package init(entityTag: EntityTag? = nil) { self.entityTag = entityTag }
}

/// What is asked of the object that is there before it is replaced.
package enum PutCondition: Sendable, Hashable {
  case none
  /// `If-None-Match: *`: nothing is there.
  case absent
  /// `If-Match`: this version is there.
  case version(EntityTag)

  var fields: [HTTPField] {
    switch self {
    case .none: []
    case .absent: [HTTPField("If-None-Match", "*")]
    case .version(let tag): [HTTPField("If-Match", tag.quoted)]
    }
  }
}

extension ObjectRequest where Value == StoredObject {
  /// The name of metadata by which a conditional put is recognised: when the answer to one that succeeded is lost, the next
  /// attempt finds the condition broken by itself.
  static var attemptName: String { "alluxio-write" }

  /// PUT of a whole object of up to 5 GiB.
  package static func put(
    _ key: ObjectKey, _ body: HTTPBody, if condition: PutCondition = .none, contentType: String? = nil,
    metadata: [String: String] = [:]
  ) -> Self {
    var metadata = metadata
    let mark = Digest.hex((0..<16).map { _ in UInt8.random(in: 0...255) })
    if condition != .none { metadata[attemptName] = mark }
    var fields =
      condition.fields + metadata.sorted { $0.key < $1.key }.map { HTTPField("x-amz-meta-\($0.key)", $0.value) }
    if let contentType { fields.append(HTTPField("Content-Type", contentType)) }
    let sent = fields
    return Self(
      operation: .put, method: "PUT", key: key, fields: { sent }, body: body,
      mayBeResent: condition == .none,
      reader: { HeadReader(value: StoredObject(entityTag: $0["ETag"].map(EntityTag.init))) },
      inquiry: { error in
        guard error.kind == .preconditionFailed, condition != .none else { return nil }
        return inquire(key) { $0.metadata[attemptName] == mark }
      })
  }

  /// CompleteMultipartUpload.
  /// - Parameters:
  ///   - parts: ascending.
  ///   - size: of the whole, where it is known: by which the object is recognised where the answer was lost and the service has no tags of
  ///     its parts' MD5s.
  package static func completeUpload(
    _ key: ObjectKey, uploadID: String, parts: [UploadedPart], size: UInt64? = nil, if condition: PutCondition = .none
  ) -> Self {
    let expected = multipartTag(parts)
    let fields = condition.fields + [HTTPField("Content-Type", "application/xml")]
    return Self(
      operation: .completeUpload, method: "POST", key: key, query: [("uploadId", uploadID)], fields: { fields },
      body: .bytes(XMLText.completion(of: parts)), mayBeResent: false,
      reader: { _ in
        LateReplyReader { (reply) throws(ReplyProblem) in
          guard reply.name == "CompleteMultipartUploadResult" else { throw .malformed("<\(reply.name)>") }
          return StoredObject(entityTag: reply["ETag"].map(EntityTag.init))
        }
      },
      inquiry: { error in
        // The first attempt that arrived ended the upload: the next one does not find it.
        guard error.kind == .noSuchUpload || error.kind == .preconditionFailed else { return nil }
        return inquire(key) { info in
          guard size == nil || info.size == size, let tag = info.entityTag?.value else { return false }
          // Without the tag of our own parts nothing but the size tells one upload from another.
          return expected.map { $0 == tag } ?? (size != nil && tag.hasSuffix("-\(parts.count)"))
        }
      })
  }

  /// The tag that S3 gives an object of these parts: MD5 of their MD5s, and their number. nil where tags are no MD5s.
  static func multipartTag(_ parts: [UploadedPart]) -> String? {
    var bytes: [UInt8] = []
    for part in parts {
      let digits = Array(part.entityTag.value.utf8)
      guard digits.count == 32 else { return nil }
      for place in stride(from: 0, to: 32, by: 2) {
        guard let byte = UInt8(String(decoding: digits[place...(place + 1)], as: UTF8.self), radix: 16) else {
          return nil
        }
        bytes.append(byte)
      }
    }
    return "\(Digest.hex(Digest.md5(bytes)))-\(parts.count)"
  }

  /// Looks whether the object that is there is the one that was to be made.
  private static func inquire(
    _ key: ObjectKey, isOurs: @escaping @Sendable (ObjectInfo) -> Bool
  ) -> ObjectRequest<StoredObject> {
    Self(
      operation: .head, method: "HEAD", key: key,
      reader: { (head) throws(ReplyProblem) in
        let info = ObjectInfo(head, size: head.contentLength ?? 0)
        guard isOurs(info) else { throw .refused(.preconditionFailed, "another object is there") }
        return HeadReader(value: StoredObject(entityTag: info.entityTag))
      })
  }

  /// Copies an object of up to 5 GiB within the bucket, on the service's side.
  /// - Parameters:
  ///   - version: of the source, where it must be this one.
  ///   - condition: of what is at the target. Not all services know conditions of copies: some ignore them, others answer
  ///     that they do not offer them. Where the answer to a copy that succeeded is lost, its own object breaks it, which is
  ///     known by its tag then: that of its source, but at services that encrypt each copy anew.
  package static func copy(
    _ source: ObjectKey, to key: ObjectKey, bucket: String, ifMatch version: EntityTag? = nil,
    if condition: PutCondition = .none
  ) -> Self {
    let fields = copyFields(source, bucket: bucket, version) + condition.fields
    return Self(
      operation: .copy, method: "PUT", key: key, fields: { fields }, mayBeResent: condition == .none,
      reader: { _ in
        LateReplyReader { (reply) throws(ReplyProblem) in
          guard reply.name == "CopyObjectResult" else { throw .malformed("<\(reply.name)>") }
          return StoredObject(entityTag: reply["ETag"].map(EntityTag.init))
        }
      },
      inquiry: { error in
        guard error.kind == .preconditionFailed, condition != .none, let version else { return nil }
        return inquire(key) { $0.entityTag == version }
      })
  }
}

extension ObjectRequest {
  static func copyFields(_ source: ObjectKey, bucket: String, _ version: EntityTag?) -> [HTTPField] {
    let path = "/\(bucket)/" + PercentEncoding.encode(source.bytes, keepingSlashes: true)
    return [HTTPField("x-amz-copy-source", path)]
      + (version.map { [HTTPField("x-amz-copy-source-if-match", $0.quoted)] } ?? [])
  }
}

extension ObjectRequest where Value == String {
  /// CreateMultipartUpload. Repeated after a lost answer it leaves an upload without an owner, which the cleaning of
  /// leftovers finds.
  package static func createUpload(
    _ key: ObjectKey, contentType: String? = nil, metadata: [String: String] = [:]
  ) -> Self {
    var fields = metadata.sorted { $0.key < $1.key }.map { HTTPField("x-amz-meta-\($0.key)", $0.value) }
    if let contentType { fields.append(HTTPField("Content-Type", contentType)) }
    let sent = fields
    return Self(
      operation: .createUpload, method: "POST", key: key, query: [("uploads", "")], fields: { sent },
      reader: { _ in
        LateReplyReader { (reply) throws(ReplyProblem) in
          guard let id = reply["UploadId"], !id.isEmpty else { throw .malformed("no upload id") }
          return id
        }
      })
  }
}

extension ObjectRequest where Value == UploadedPart {
  /// UploadPart: 5 MiB to 5 GiB, the last one less; number from 1 to 10,000. A second one of the number replaces the first.
  package static func uploadPart(_ key: ObjectKey, uploadID: String, number: Int, _ body: HTTPBody) -> Self {
    Self(
      operation: .uploadPart, method: "PUT", key: key,
      query: [("partNumber", "\(number)"), ("uploadId", uploadID)], body: body,
      reader: { (head) throws(ReplyProblem) in
        guard let tag = head["ETag"] else { throw .malformed("no ETag") }
        return HeadReader(value: UploadedPart(number: number, entityTag: EntityTag(tag)))
      })
  }

  /// UploadPartCopy of a range of another object of the bucket.
  package static func copyPart(
    _ source: ObjectKey, range: ClosedRange<UInt64>, to key: ObjectKey, bucket: String, uploadID: String, number: Int,
    ifMatch version: EntityTag? = nil
  ) -> Self {
    let fields =
      copyFields(source, bucket: bucket, version)
      + [HTTPField("x-amz-copy-source-range", "bytes=\(range.lowerBound)-\(range.upperBound)")]
    return Self(
      operation: .copyPart, method: "PUT", key: key,
      query: [("partNumber", "\(number)"), ("uploadId", uploadID)], fields: { fields },
      reader: { _ in
        LateReplyReader { (reply) throws(ReplyProblem) in
          guard let tag = reply["ETag"] else { throw .malformed("no ETag") }
          return UploadedPart(number: number, entityTag: EntityTag(tag))
        }
      })
  }
}
