import LinuxSystem
import Synchronization
package import ObjectStore

/// A call of a bucket that a fault can be injected into, and that is counted.
package enum BucketCall: Sendable, Hashable, CaseIterable {
  case head, list, read, put, copy, delete, deleteMany, createUpload, putPart, copyPart, complete, abort
  case listUploads
}

/// A bucket without a store, for tests, with S3's rules: keys in the order of their bytes, ETags, conditions, pages, uploads
/// in parts.
package final class InMemoryBucket: ObjectBucket {
  /// Asked before and after each call has done what it does; the error that it returns is thrown.
  package typealias Fault = @Sendable (BucketCall, ObjectKey, _ isDone: Bool) -> BucketError?

  /// How services differ.
  package struct Manners: Sendable {
    /// `If-Match` and `If-None-Match` mean nothing to it.
    package var ignoresConditions = false
    /// The least size of parts but the last.
    package var leastPart: Int64 = 1
    /// The largest object that one copy takes.
    package var largestCopy: Int64 = 5 << 30
    /// Pages are never longer, whatever is asked for.
    package var longestPage = 1000
    /// The end of an upload is answered with a tag that no request for the object gets.
    package var namesOtherTagOfUpload = false
    /// Listings have these keys, too, whatever was asked for.
    package var strays: [ObjectKey] = []
    /// Nobody may delete these.
    package var locked: Set<ObjectKey> = []

    package init() {}
  }

  package let name = "memory"
  let manners: Manners
  let fault: Fault
  let store = Mutex(InMemoryStore())

  package init(_ manners: Manners = Manners(), fault: @escaping Fault = { _, _, _ in nil }) {
    self.manners = manners
    self.fault = fault
  }

  /// Requests so far, by kind.
  package var requests: [BucketCall: Int] { store.withLock { $0.requests } }
  /// All of them.
  package var requestCount: Int { requests.values.reduce(0, +) }
  /// All keys, in order.
  package var keys: [ObjectKey] { store.withLock { $0.order } }
  /// Uploads that were begun and are not over.
  package var uploads: [ObjectUpload] { store.withLock { Array($0.uploads.keys) } }
  /// The content of an object; nil where there is none.
  package func content(_ key: ObjectKey) -> [UInt8]? { store.withLock { $0.objects[key]?.content } }

  /// As somebody else would, past faults and counts.
  @discardableResult
  package func set(_ key: ObjectKey, _ content: String = "", lastModified: Int64? = nil) -> EntityTag {
    store.withLock { $0.put(key, Array(content.utf8), lastModified: lastModified) }
  }

  /// As somebody else would, past faults and counts.
  package func remove(_ key: ObjectKey) { store.withLock { $0.remove(key) } }

  func call<Value: Sendable>(
    _ call: BucketCall, _ key: ObjectKey, _ body: (inout InMemoryStore) throws(BucketError) -> Value
  ) throws(BucketError) -> Value {
    store.withLock { $0.requests[call, default: 0] += 1 }
    if let error = fault(call, key, false) { throw error }
    let value = try store.withLock { (store) throws(BucketError) in try body(&store) }
    if let error = fault(call, key, true) { throw error }
    return value
  }

  /// - Throws: 412 where the condition does not hold.
  func check(_ store: InMemoryStore, _ key: ObjectKey, ifAbsent: Bool) throws(BucketError) {
    guard ifAbsent, !manners.ignoresConditions, store.objects[key] != nil else { return }
    throw BucketError(.precondition, "\(key) is there")
  }

  func object(
    _ store: InMemoryStore, _ key: ObjectKey, ifMatch tag: EntityTag?
  ) throws(BucketError) -> InMemoryObject {
    guard let object = store.objects[key] else { throw BucketError(.notFound, "no \(key)") }
    guard let tag, !manners.ignoresConditions, object.version.entityTag != tag else { return object }
    throw BucketError(.precondition, "\(key) has another tag")
  }
}

// MARK: - Reading

extension InMemoryBucket {
  package func head(_ key: ObjectKey) throws(BucketError) -> ObjectVersion {
    try call(.head, key) { (store) throws(BucketError) in try object(store, key, ifMatch: nil).version }
  }

  package func list(_ request: ListRequest) throws(BucketError) -> ObjectPage {
    try call(.list, request.prefix) { (store) throws(BucketError) -> ObjectPage in
      var page = store.page(request, longest: manners.longestPage)
      for stray in manners.strays { page.objects.append((stray, try object(store, stray, ifMatch: nil).version)) }
      return page
    }
  }

  package func read(
    _ key: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag, into sink: any ObjectSink
  ) -> any ObjectTransfer {
    do throws(BucketError) {
      let object = try call(.read, key) { (store) throws(BucketError) in
        try self.object(store, key, ifMatch: tag)
      }
      guard range.lowerBound < object.version.size else { throw BucketError(.range, "\(key) ends before") }
      let end = min(range.upperBound, object.version.size)
      let part = Array(object.content[Int(range.lowerBound)..<Int(end)])
      let isWanted = sink.begin(object.version.entityTag) && part.withRawSpan { sink.receive($0) }
      sink.finish(isWanted ? nil : BucketError(.cancelled, "the reader wants no more"))
    } catch { sink.finish(error) }
    return InMemoryTransfer()
  }
}

/// It is over when it is returned.
private final class InMemoryTransfer: ObjectTransfer {
  func cancel() {}
}

// MARK: - Changing

extension InMemoryBucket {
  package func put(_ key: ObjectKey, _ body: ObjectBody, ifAbsent: Bool) throws(BucketError) -> EntityTag {
    let content = try body.content()
    return try call(.put, key) { (store) throws(BucketError) in
      try check(store, key, ifAbsent: ifAbsent)
      return store.put(key, content)
    }
  }

  package func copy(
    _ source: ObjectKey, ifMatch tag: EntityTag, to target: ObjectKey, ifAbsent: Bool
  ) throws(BucketError) -> EntityTag {
    try call(.copy, target) { (store) throws(BucketError) in
      let object = try object(store, source, ifMatch: tag)
      guard object.version.size <= manners.largestCopy else { throw BucketError(.tooLarge, "\(source) is too large") }
      try check(store, target, ifAbsent: ifAbsent)
      return store.put(target, object.content, tag: tag)
    }
  }

  package func delete(_ key: ObjectKey) throws(BucketError) {
    try call(.delete, key) { (store) throws(BucketError) in store.remove(key) }
  }

  package func delete(_ keys: [ObjectKey]) throws(BucketError) -> [FailedDeletion] {
    guard keys.count <= 1000 else { throw BucketError(.other, "more than 1000 keys at once") }
    return try call(.deleteMany, keys.first ?? "") { (store) throws(BucketError) in
      for key in keys where !manners.locked.contains(key) { store.remove(key) }
      return keys.filter(manners.locked.contains).map { FailedDeletion(key: $0, code: "AccessDenied", message: "") }
    }
  }
}

// MARK: - Uploads in parts

extension InMemoryBucket {
  package func createUpload(_ key: ObjectKey) throws(BucketError) -> String {
    try call(.createUpload, key) { (store) throws(BucketError) in store.begin(key) }
  }

  package func putPart(
    _ number: Int, of upload: ObjectUpload, _ body: ObjectBody
  ) throws(BucketError) -> EntityTag {
    let content = try body.content()
    return try call(.putPart, upload.key) { (store) throws(BucketError) in
      try store.setPart(number, of: upload, content)
    }
  }

  package func copyPart(
    _ number: Int, of upload: ObjectUpload, from source: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag
  ) throws(BucketError) -> EntityTag {
    try call(.copyPart, upload.key) { (store) throws(BucketError) in
      let object = try object(store, source, ifMatch: tag)
      guard range.upperBound <= object.version.size else { throw BucketError(.range, "\(source) ends before") }
      return try store.setPart(
        number, of: upload, Array(object.content[Int(range.lowerBound)..<Int(range.upperBound)]))
    }
  }

  package func complete(
    _ upload: ObjectUpload, parts: [(number: Int, tag: EntityTag)], ifAbsent: Bool
  ) throws(BucketError) -> EntityTag {
    try call(.complete, upload.key) { (store) throws(BucketError) in
      try check(store, upload.key, ifAbsent: ifAbsent)
      let tag = try store.complete(upload, parts, leastPart: manners.leastPart)
      return manners.namesOtherTagOfUpload ? EntityTag("\"\(upload.uploadID)\"") : tag
    }
  }

  package func abort(_ upload: ObjectUpload) throws(BucketError) {
    try call(.abort, upload.key) { (store) throws(BucketError) in store.uploads[upload] = nil }
  }

  package func listUploads(prefix: ObjectKey, after marker: UploadPage.Marker?) throws(BucketError) -> UploadPage {
    try call(.listUploads, prefix) { (store) throws(BucketError) -> UploadPage in
      func isBehind(_ upload: ObjectUpload) -> Bool {
        guard let marker else { return true }
        return upload.key == marker.key ? upload.uploadID > marker.uploadID : marker.key < upload.key
      }
      let found = store.uploads.keys.filter { $0.key.bytes.starts(with: prefix.bytes) && isBehind($0) }
        .sorted { $0.key == $1.key ? $0.uploadID < $1.uploadID : $0.key < $1.key }
      var page = UploadPage()
      page.uploads = found.prefix(manners.longestPage).map { ListedUpload(key: $0.key, uploadID: $0.uploadID) }
      if found.count > page.uploads.count {
        page.next = page.uploads.last.map { UploadPage.Marker(key: $0.key, uploadID: $0.uploadID) }
      }
      return page
    }
  }
}

extension ObjectBody {
  /// All of it. - Throws: what reading the file says.
  fileprivate func content() throws(BucketError) -> [UInt8] {
    switch self {
    case .bytes(let bytes): return bytes
    case .file(let file, let offset, let length):
      let bytes = (try? file.descriptor.bytes(at: offset, count: Int(length))) ?? []
      guard bytes.count == length else { throw BucketError(.other, "the body ends early") }
      return bytes
    }
  }
}
