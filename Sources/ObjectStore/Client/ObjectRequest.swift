internal import HTTP
import Synchronization
internal import VolumeModel

/// One request to the object store, not yet signed or sent, and how its answer is read. Made by the functions of its
/// extensions, one per operation.
package struct ObjectRequest<Value: Sendable>: Sendable {
  /// For counters and messages.
  package let operation: ObjectOperation
  var method: String
  /// nil: the bucket itself.
  var key: ObjectKey?
  /// Neither encoded nor sorted.
  var query: [(name: String, value: String)] = []
  /// Asked for each attempt: one that goes on where another ended asks for less.
  var fields: @Sendable () -> [HTTPField] = { [] }
  var body: HTTPBody = .none
  /// Whether doing it twice is the same as doing it once.
  var isRepeatable = true
  /// Whether the HTTP client may send it again by itself, on a new connection; not where the second answer would be another
  /// than the first, since then nobody knows that there was a first.
  var mayBeResent = true
  /// Reads a successful answer; called with its head.
  var reader: @Sendable (HTTPResponseHead) throws(ReplyProblem) -> any ReplyReader<Value>
  /// The value where all that was wanted came before the failure.
  var salvage: @Sendable () -> Value? = { nil }
  /// Whether bytes were delivered since it was asked last.
  var hasProgressed: @Sendable () -> Bool = { false }
  /// What tells whether it happened after all, where an attempt was lost on the way.
  var inquiry: @Sendable (ObjectStoreError) -> ObjectRequest<Value>? = { _ in nil }
}

/// Why an answer with a status of success has no result.
enum ReplyProblem: Error, Sendable, Hashable {
  /// What is wrong with it.
  case malformed(String)
  /// An error document behind a status of 200.
  case failed(ErrorReply)
  /// Of another version than the one that was asked for.
  case otherVersion
  /// Something that trying again does not change.
  case refused(ObjectStoreError.Kind, String)
}

/// Reads one answer. Used under its request's lock, so by one thread at a time.
protocol ReplyReader<Value>: Sendable {
  associatedtype Value: Sendable

  mutating func receive(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception
  /// After the last byte.
  mutating func finish() throws(ReplyProblem) -> Value
}

/// An answer whose head says all.
struct HeadReader<Value: Sendable>: ReplyReader {
  let value: Value

  mutating func receive(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception { .go }
  mutating func finish() throws(ReplyProblem) -> Value { value }
}

/// An answer in XML.
struct DocumentReader<Document: XMLDocument>: ReplyReader {
  private var reader: XMLReader<Document>

  init(_ document: Document) { reader = XMLReader(document) }

  mutating func receive(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception {
    do throws(XMLProblem) { try reader.feed(bytes) } catch { throw .malformed("\(error)") }
    return .go
  }

  mutating func finish() throws(ReplyProblem) -> Document.Value {
    do throws(XMLProblem) { return try reader.finish() } catch { throw .malformed("\(error)") }
  }
}

/// An answer that S3 begins with 200 before it knows how it ends: the document says so.
struct LateReplyReader<Value: Sendable>: ReplyReader {
  private var reader = XMLReader(ReplyDocument(), limit: 1 << 20)
  private let value: @Sendable (ReplyDocument.Reply) throws(ReplyProblem) -> Value

  init(_ value: @escaping @Sendable (ReplyDocument.Reply) throws(ReplyProblem) -> Value) { self.value = value }

  mutating func receive(_ bytes: RawSpan) throws(ReplyProblem) -> HTTPReception {
    do throws(XMLProblem) { try reader.feed(bytes) } catch { throw .malformed("\(error)") }
    return .go
  }

  mutating func finish() throws(ReplyProblem) -> Value {
    let reply: ReplyDocument.Reply
    do throws(XMLProblem) { reply = try reader.finish() } catch { throw .malformed("\(error)") }
    if let error = ErrorReply(reply) { throw .failed(error) }
    return try value(reply)
  }
}

/// What the fields of an answer say about an object.
package struct ObjectInfo: Sendable, Hashable {
  /// Of the whole object, in bytes.
  package var size: UInt64
  package var entityTag: EntityTag?
  package var lastModified: UTCTime?
  package var storageClass: String
  /// `x-amz-meta-…` by lower-case names without the prefix.
  package var metadata: [String: String]

  package init(
    size: UInt64, entityTag: EntityTag? = nil, lastModified: UTCTime? = nil, storageClass: String = "",
    metadata: [String: String] = [:]
  ) {
    self.size = size
    self.entityTag = entityTag
    self.lastModified = lastModified
    self.storageClass = storageClass
    self.metadata = metadata
  }

  init(_ head: HTTPResponseHead, size: UInt64) {
    let prefix = "x-amz-meta-"
    let metadata = head.fields.map { ($0.name.lowercased(), $0.value) }.filter { $0.0.hasPrefix(prefix) }
    let storageClass = head["x-amz-storage-class"] ?? ""
    self.init(
      size: size, entityTag: head["ETag"].map(EntityTag.init),
      lastModified: head["Last-Modified"].flatMap(UTCTime.init(httpDate:)),
      storageClass: storageClass == "STANDARD" ? "" : storageClass,
      metadata: Dictionary(metadata.map { (String($0.0.dropFirst(prefix.utf8.count)), $0.1) }) { $1 })
  }
}
