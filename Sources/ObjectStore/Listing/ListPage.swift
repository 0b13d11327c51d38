/// One object in a listing.
package struct ListedObject: Sendable, Hashable {
  /// Whole, with the prefix.
  package var key: ObjectKey
  /// In bytes.
  package var size: UInt64
  package var entityTag: EntityTag?
  package var lastModified: UTCTime?
  /// Empty for the standard one; `GLACIER` and the like are not readable at once.
  package var storageClass: String

  package init(
    key: ObjectKey, size: UInt64 = 0, entityTag: EntityTag? = nil, lastModified: UTCTime? = nil,
    storageClass: String = ""
  ) {
    self.key = key
    self.size = size
    self.entityTag = entityTag
    self.lastModified = lastModified
    self.storageClass = storageClass
  }
}

/// One answer to ListObjectsV2.
package struct ListPage: Sendable, Hashable {
  /// In the order of the service, which is that of bytes.
  package var objects: [ListedObject] = []
  /// With the delimiter at their ends.
  package var prefixes: [ObjectKey] = []
  /// Where the next page begins; nil: this was the last.
  package var next: Continuation?

  /// How the next page is asked for.
  package enum Continuation: Sendable, Hashable {
    case token(String)
    /// Of services that cut a listing without a token.
    case after(ObjectKey)
  }
}

/// Reads ListBucketResult.
struct ListPageDocument: XMLDocument {
  /// What all keys must begin with; nil: nobody knows.
  private let asked: ObjectKey?
  /// The same in the service's words; empty where it says nothing.
  private var prefix = ObjectKey("")
  private var page = ListPage()
  private var entry = ListedObject(key: "")
  private var isEncoded = false
  private var isTruncated = false
  private var token: String?

  /// More than any service sends in one page: 1000.
  private static let longest = 10_000

  /// - Parameter prefix: that was asked for.
  init(of prefix: ObjectKey? = nil) { asked = prefix }

  mutating func opened(_ name: String, depth: Int) throws(XMLProblem) {
    if depth == 1, name != "ListBucketResult" { throw .unexpected("no listing but <\(name)>") }
    if depth == 2, name == "Contents" { entry = ListedObject(key: "") }
  }

  mutating func closed(_ name: String, text: [UInt8], depth: Int) throws(XMLProblem) {
    if depth == 3 { try closedInner(name, text) } else if depth == 2 { try closedOuter(name, text) }
    guard page.objects.count + page.prefixes.count <= Self.longest else { throw .tooLong }
  }

  private mutating func closedOuter(_ name: String, _ text: [UInt8]) throws(XMLProblem) {
    switch name {
    case "Contents":
      guard !entry.key.bytes.isEmpty else { throw .unexpected("an object without a key") }
      page.objects.append(entry)
    case "Prefix": prefix = ObjectKey(bytes: text)
    case "EncodingType": isEncoded = text.elementsEqual("url".utf8)
    case "IsTruncated": isTruncated = text.elementsEqual("true".utf8)
    case "NextContinuationToken": token = String(decoding: text, as: UTF8.self)
    default: break
    }
  }

  /// Of an object or a common prefix.
  private mutating func closedInner(_ name: String, _ text: [UInt8]) throws(XMLProblem) {
    switch name {
    case "Key": entry.key = ObjectKey(bytes: text)
    case "Size": entry.size = try Self.number(text)
    case "ETag": entry.entityTag = EntityTag(bytes: text)
    case "LastModified": entry.lastModified = UTCTime(iso8601: text)
    case "StorageClass":
      entry.storageClass = text.elementsEqual("STANDARD".utf8) ? "" : String(decoding: text, as: UTF8.self)
    case "Prefix": page.prefixes.append(ObjectKey(bytes: text))
    default: break
    }
  }

  mutating func finish() throws(XMLProblem) -> ListPage {
    if isEncoded {
      for place in page.objects.indices { page.objects[place].key = try Self.decoded(page.objects[place].key) }
      for place in page.prefixes.indices { page.prefixes[place] = try Self.decoded(page.prefixes[place]) }
    }
    try checkPrefix()
    guard isTruncated else { return page }
    if let token, !token.isEmpty {
      page.next = .token(token)
    } else if let last = [page.objects.last?.key, page.prefixes.last].compactMap({ $0 }).max() {
      page.next = .after(last)
    } else {
      throw .unexpected("a listing that is cut and says not where")
    }
    return page
  }

  /// The answer to another request, which a lost one on the same connection leaves behind, would make files vanish and others
  /// appear.
  private func checkPrefix() throws(XMLProblem) {
    guard let asked else { return }
    guard page.objects.allSatisfy({ $0.key.begins(with: asked) }), page.prefixes.allSatisfy({ $0.begins(with: asked) })
    else { throw .unexpected("keys that were not asked for") }
    // Not all services encode it with the keys.
    if !prefix.bytes.isEmpty, prefix != asked, (try? Self.decoded(prefix)) != asked {
      throw .unexpected("a listing of another prefix")
    }
  }

  /// The element may come after the keys that it speaks of, so that they are decoded at the end.
  static func decoded(_ key: ObjectKey) throws(XMLProblem) -> ObjectKey {
    guard let bytes = PercentEncoding.decodeForm(key.bytes) else { throw .unexpected("a key that is badly encoded") }
    return ObjectKey(bytes: bytes)
  }

  static func number(_ text: [UInt8]) throws(XMLProblem) -> UInt64 {
    var number: UInt64 = 0
    for digit in text {
      let (tens, isTooLarge) = number.multipliedReportingOverflow(by: 10)
      let (sum, isTooLargeNow) = tens.addingReportingOverflow(UInt64(digit &- 0x30))
      guard (0x30...0x39).contains(digit), !isTooLarge, !isTooLargeNow, sum <= UInt64(Int64.max) else {
        throw .unexpected("a size that is no number")
      }
      number = sum
    }
    guard !text.isEmpty else { throw .unexpected("a size that is no number") }
    return number
  }
}
