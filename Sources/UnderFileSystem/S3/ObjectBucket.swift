package import LinuxSystem
package import ObjectStore

/// What the under file system needs of an object store: one bucket. Calls block the thread that makes them, and end: every
/// attempt and all of them together are bounded. Keys are whole, with the volume's prefix.
package protocol ObjectBucket: AnyObject, Sendable {
  /// Names the bucket and its service among all others.
  var name: String { get }

  /// HeadObject.
  func head(_ key: ObjectKey) throws(BucketError) -> ObjectVersion
  /// ListObjectsV2, one page.
  func list(_ request: ListRequest) throws(BucketError) -> ObjectPage
  /// GetObject of a range with `If-Match`. Returns at once.
  /// - Parameter sink: kept until it is told the end, which may be before this returns.
  func read(
    _ key: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag, into sink: any ObjectSink
  ) -> any ObjectTransfer

  /// PutObject.
  func put(_ key: ObjectKey, _ body: ObjectBody, ifAbsent: Bool) throws(BucketError) -> EntityTag
  /// CopyObject, with `x-amz-copy-source-if-match`. - Returns: the copy's tag.
  func copy(
    _ source: ObjectKey, ifMatch tag: EntityTag, to target: ObjectKey, ifAbsent: Bool
  ) throws(BucketError) -> EntityTag
  /// DeleteObject. What is not there is no error.
  func delete(_ key: ObjectKey) throws(BucketError)
  /// DeleteObjects, at most 1000 keys. - Returns: those that are still there, with what the service says of them.
  func delete(_ keys: [ObjectKey]) throws(BucketError) -> [FailedDeletion]

  /// CreateMultipartUpload. - Returns: its number.
  func createUpload(_ key: ObjectKey) throws(BucketError) -> String
  /// UploadPart. - Parameter number: 1 to 10,000.
  func putPart(_ number: Int, of upload: ObjectUpload, _ body: ObjectBody) throws(BucketError) -> EntityTag
  /// UploadPartCopy.
  func copyPart(
    _ number: Int, of upload: ObjectUpload, from source: ObjectKey, range: Range<Int64>, ifMatch tag: EntityTag
  ) throws(BucketError) -> EntityTag
  /// CompleteMultipartUpload. - Parameter parts: by number.
  func complete(
    _ upload: ObjectUpload, parts: [(number: Int, tag: EntityTag)], ifAbsent: Bool
  ) throws(BucketError) -> EntityTag
  /// AbortMultipartUpload. What is not there is no error.
  func abort(_ upload: ObjectUpload) throws(BucketError)
  /// ListMultipartUploads, one page.
  func listUploads(prefix: ObjectKey, after marker: UploadPage.Marker?) throws(BucketError) -> UploadPage
}

/// An upload in parts that was begun.
package struct ObjectUpload: Sendable, Hashable {
  package var key: ObjectKey
  package var uploadID: String

  package init(key: ObjectKey, uploadID: String) {
    self.key = key
    self.uploadID = uploadID
  }
}

/// One content of an object, as the store describes it.
package struct ObjectVersion: Sendable, Hashable {
  /// In bytes.
  package var size: Int64
  package var entityTag: EntityTag
  /// Seconds since 1970.
  package var lastModified: Int64

  package init(size: Int64, entityTag: EntityTag, lastModified: Int64) {
    self.size = size
    self.entityTag = entityTag
    self.lastModified = lastModified
  }
}

/// What is asked of ListObjectsV2.
package struct ListRequest: Sendable, Hashable {
  package var prefix: ObjectKey
  /// Whether what follows the next `/` behind the prefix is rolled up.
  package var isDelimited = true
  /// Where a listing begins that has no continuation.
  package var startAfter: ObjectKey?
  /// What the page before gave.
  package var continuation: String?
  /// At most 1000.
  package var limit = 1000

  package init(prefix: ObjectKey) { self.prefix = prefix }
}

/// One page of a listing.
package struct ObjectPage: Sendable, Hashable {
  package var objects: [(key: ObjectKey, version: ObjectVersion)] = []
  /// With the delimiter at their ends.
  package var prefixes: [ObjectKey] = []
  /// For the next page; nil: this was the last.
  package var continuation: String?

  package init() {}

  package static func == (left: ObjectPage, right: ObjectPage) -> Bool {
    left.prefixes == right.prefixes && left.continuation == right.continuation
      && left.objects.elementsEqual(right.objects) { $0.key == $1.key && $0.version == $1.version }
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(prefixes)
    for object in objects { hasher.combine(object.key) }
  }
}

/// The content of an object or a part.
package enum ObjectBody: Sendable {
  case bytes([UInt8])
  /// A part of a file; nobody changes it meanwhile.
  case file(SharedDescriptor, offset: Int64, length: Int64)

  /// In bytes.
  package var count: Int64 {
    switch self {
    case .bytes(let bytes): Int64(bytes.count)
    case .file(_, _, let length): length
    }
  }
}

/// Takes the bytes of one range. Called by one thread at a time, which serves other transfers as well and must not wait.
package protocol ObjectSink: AnyObject, Sendable {
  /// The store answers with this version. - Returns: whether its bytes are wanted.
  func begin(_ tag: EntityTag) -> Bool
  /// The next bytes, without a gap. - Returns: false ends the transfer.
  func receive(_ bytes: RawSpan) -> Bool
  /// The end, once. - Parameter error: nil when the whole range was handed over.
  func finish(_ error: BucketError?)
}

/// A range on its way.
package protocol ObjectTransfer: AnyObject, Sendable {
  /// Ends it soon, with an error of kind `cancelled` unless it was over.
  func cancel()
}
