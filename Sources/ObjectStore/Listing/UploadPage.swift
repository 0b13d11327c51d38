/// An upload that was begun and neither completed nor aborted.
package struct ListedUpload: Sendable, Hashable {
  /// Of the object that it is to become; the service's number of the upload, and when it was begun.
  package var key: ObjectKey
  package var uploadID: String
  package var initiated: UTCTime?

  package init(key: ObjectKey, uploadID: String, initiated: UTCTime? = nil) {
    self.key = key
    self.uploadID = uploadID
    self.initiated = initiated
  }
}

/// One answer to ListMultipartUploads.
package struct UploadPage: Sendable, Hashable {
  /// By key, then by number.
  package var uploads: [ListedUpload] = []
  /// Where the next page begins; nil: this was the last.
  package var next: Marker?

  package init() {}

  /// Key and upload after which the next page begins.
  package struct Marker: Sendable, Hashable {
    /// As the page before gave them.
    package var key: ObjectKey
    package var uploadID: String

    package init(key: ObjectKey, uploadID: String) {
      self.key = key
      self.uploadID = uploadID
    }
  }
}

/// Reads ListMultipartUploadsResult.
struct UploadPageDocument: XMLDocument {
  private var page = UploadPage()
  private var entry = ListedUpload(key: "", uploadID: "")
  private var marker = UploadPage.Marker(key: "", uploadID: "")
  private var isEncoded = false
  private var isTruncated = false

  private static let longest = 10_000

  mutating func opened(_ name: String, depth: Int) throws(XMLProblem) {
    if depth == 1, name != "ListMultipartUploadsResult" { throw .unexpected("no list of uploads but <\(name)>") }
    if depth == 2, name == "Upload" { entry = ListedUpload(key: "", uploadID: "") }
  }

  mutating func closed(_ name: String, text: [UInt8], depth: Int) throws(XMLProblem) {
    switch (depth, name) {
    case (2, "Upload"):
      guard !entry.key.bytes.isEmpty, !entry.uploadID.isEmpty else { throw .unexpected("an upload without a name") }
      page.uploads.append(entry)
      guard page.uploads.count <= Self.longest else { throw .tooLong }
    case (2, "EncodingType"): isEncoded = text.elementsEqual("url".utf8)
    case (2, "IsTruncated"): isTruncated = text.elementsEqual("true".utf8)
    case (2, "NextKeyMarker"): marker.key = ObjectKey(bytes: text)
    case (2, "NextUploadIdMarker"): marker.uploadID = String(decoding: text, as: UTF8.self)
    case (3, "Key"): entry.key = ObjectKey(bytes: text)
    case (3, "UploadId"): entry.uploadID = String(decoding: text, as: UTF8.self)
    case (3, "Initiated"): entry.initiated = UTCTime(iso8601: String(decoding: text, as: UTF8.self))
    default: break
    }
  }

  mutating func finish() throws(XMLProblem) -> UploadPage {
    if isEncoded {
      marker.key = try ListPageDocument.decoded(marker.key)
      for place in page.uploads.indices {
        page.uploads[place].key = try ListPageDocument.decoded(page.uploads[place].key)
      }
    }
    guard isTruncated else { return page }
    guard !marker.key.bytes.isEmpty else { throw .unexpected("a list that is cut and says not where") }
    page.next = marker
    return page
  }
}
