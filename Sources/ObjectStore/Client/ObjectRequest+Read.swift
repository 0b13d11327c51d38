internal import HTTP
internal import VolumeModel

extension ObjectRequest where Value == String? {
  /// HEAD of the bucket. - Returns: its region, where the service tells.
  package static func headBucket() -> Self {
    Self(operation: .headBucket, method: "HEAD", reader: { HeadReader(value: $0["x-amz-bucket-region"]) })
  }
}

extension ObjectRequest where Value == ListPage {
  /// One page of ListObjectsV2.
  /// - Parameters:
  ///   - prefix: of the keys; whole keys come back.
  ///   - delimiter: "/" for one level; nil for all keys.
  ///   - continuation: of the page before.
  ///   - after: keys behind this one; the continuation wins.
  ///   - limit: at most 1000.
  package static func list(
    prefix: ObjectKey = "", delimiter: String? = "/", continuation: ListPage.Continuation? = nil,
    after: ObjectKey? = nil, limit: Int = 1000
  ) -> Self {
    var query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", "\(limit)")]
    query.append(("prefix", prefix.description))
    if let delimiter { query.append(("delimiter", delimiter)) }
    switch continuation {
    case .token(let token): query.append(("continuation-token", token))
    case .after(let key): query.append(("start-after", Self.last(behind: key, delimiter).description))
    case nil: if let after { query.append(("start-after", after.description)) }
    }
    return Self(
      operation: .list, method: "GET", query: query.map { (name: $0.0, value: $0.1) },
      reader: { _ in DocumentReader(ListPageDocument(of: prefix)) })
  }

  /// A prefix stands for all keys that begin with it: the last that can be is the one with the highest character.
  private static func last(behind key: ObjectKey, _ delimiter: String?) -> ObjectKey {
    guard let delimiter, key.bytes.suffix(delimiter.utf8.count).elementsEqual(delimiter.utf8) else { return key }
    return ObjectKey(bytes: key.bytes + Array("\u{10FFFF}".utf8))
  }
}

extension ObjectRequest where Value == ObjectInfo {
  /// HEAD of an object.
  package static func head(_ key: ObjectKey) -> Self {
    Self(
      operation: .head, method: "HEAD", key: key,
      reader: { (head) throws(ReplyProblem) in
        // Without a length it may be 0 bytes or unknown: HTTP/1.0 servers and proxies that compress leave it out.
        guard let size = head.contentLength else { throw .malformed("no Content-Length") }
        return HeadReader(value: ObjectInfo(head, size: size))
      })
  }
}

extension ObjectRequest where Value == Void {
  /// Removes an object; one that is not there is fine.
  package static func delete(_ key: ObjectKey) -> Self {
    Self(operation: .delete, method: "DELETE", key: key, reader: { _ in HeadReader(value: ()) })
  }

  /// Ends an upload and frees its parts.
  package static func abortUpload(_ key: ObjectKey, uploadID: String) -> Self {
    Self(
      operation: .abortUpload, method: "DELETE", key: key, query: [("uploadId", uploadID)],
      reader: { _ in HeadReader(value: ()) })
  }
}

extension ObjectRequest where Value == [FailedDeletion] {
  /// Removes up to 1000 objects.
  /// - Returns: a request for those that were not removed; nil where a key holds what XML cannot, and has to be removed by a
  ///   request of its own.
  package static func delete(_ keys: [ObjectKey]) -> Self? {
    guard (1...1000).contains(keys.count), let body = XMLText.deletion(of: keys) else { return nil }
    let digest = Base64.encode(Digest.md5(body))
    return Self(
      operation: .deleteBatch, method: "POST", query: [("delete", "")],
      fields: { [HTTPField("Content-MD5", digest), HTTPField("Content-Type", "application/xml")] }, body: .bytes(body),
      reader: { _ in DocumentReader(DeleteResultDocument()) })
  }
}

extension ObjectRequest where Value == UploadPage {
  /// Uploads that were begun and neither completed nor aborted.
  package static func listUploads(prefix: ObjectKey = "", after marker: UploadPage.Marker? = nil) -> Self {
    var query = [("uploads", ""), ("encoding-type", "url"), ("max-uploads", "1000"), ("prefix", prefix.description)]
    if let marker { query += [("key-marker", marker.key.description), ("upload-id-marker", marker.uploadID)] }
    return Self(
      operation: .listUploads, method: "GET", query: query.map { (name: $0.0, value: $0.1) },
      reader: { _ in DocumentReader(UploadPageDocument()) })
  }
}
