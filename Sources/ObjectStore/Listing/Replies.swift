/// An answer of few elements as a table: paths below the outermost element with their texts, in the order of the text.
struct ReplyDocument: XMLDocument {
  /// The outermost element, and what is below it.
  struct Reply: Sendable, Hashable {
    var name = ""
    var texts: [(path: String, text: String)] = []

    /// The first text at a path, as `Error/Code`.
    subscript(_ path: String) -> String? { texts.first { $0.path == path }?.text }

    static func == (left: Reply, right: Reply) -> Bool {
      left.name == right.name && left.texts.elementsEqual(right.texts) { $0 == $1 }
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(name)
      for text in texts { hasher.combine(text.path) }
    }
  }

  private var reply = Reply()
  private var path: [String] = []

  /// Results of a thousand deletions have four elements each.
  private static let longest = 10_000

  mutating func opened(_ name: String, depth: Int) throws(XMLProblem) {
    if depth == 1 { reply.name = name } else { path.append(name) }
  }

  mutating func closed(_ name: String, text: [UInt8], depth: Int) throws(XMLProblem) {
    guard depth > 1 else { return }
    reply.texts.append((path.joined(separator: "/"), String(decoding: text, as: UTF8.self)))
    path.removeLast()
    guard reply.texts.count <= Self.longest else { throw .tooLong }
  }

  mutating func finish() throws(XMLProblem) -> Reply { reply }
}

/// What an error document says. S3's, OSS's and STS's have the same elements, the last one deeper.
package struct ErrorReply: Sendable, Hashable {
  /// The service's name of the error, its words, and by what its owner finds the request.
  package var code: String
  package var message: String?
  package var requestID: String?
  package var hostID: String?
  /// The right region, where that is what was wrong.
  package var region: String?

  package init(
    code: String, message: String? = nil, requestID: String? = nil, hostID: String? = nil, region: String? = nil
  ) {
    self.code = code
    self.message = message
    self.requestID = requestID
    self.hostID = hostID
    self.region = region
  }

  /// nil where the answer is no error.
  init?(_ reply: ReplyDocument.Reply) {
    let base: String
    switch reply.name {
    case "Error": base = ""
    case "ErrorResponse": base = "Error/"
    default: return nil
    }
    guard let code = reply[base + "Code"], !code.isEmpty else { return nil }
    self.init(
      code: code, message: reply[base + "Message"], requestID: reply["RequestId"], hostID: reply["HostId"],
      region: reply[base + "Region"])
  }
}

/// What became of one key of a batch deletion.
package struct FailedDeletion: Sendable, Hashable {
  /// The key, and the service's name and words for what kept it.
  package var key: ObjectKey
  package var code: String
  package var message: String

  package init(key: ObjectKey, code: String, message: String) {
    self.key = key
    self.code = code
    self.message = message
  }

  /// Whether the same deletion may succeed a moment later.
  package var isPassing: Bool { ObjectStoreError.Kind(status: 400, code: code, isBucket: false).isPassing }
}

/// Reads DeleteResult: in quiet form it names what was not deleted.
struct DeleteResultDocument: XMLDocument {
  private var failures: [FailedDeletion] = []
  private var entry = FailedDeletion(key: "", code: "", message: "")
  private var isEncoded = false

  mutating func opened(_ name: String, depth: Int) throws(XMLProblem) {
    if depth == 1, name != "DeleteResult" { throw .unexpected("no result of a deletion but <\(name)>") }
    if depth == 2, name == "Error" { entry = FailedDeletion(key: "", code: "", message: "") }
  }

  mutating func closed(_ name: String, text: [UInt8], depth: Int) throws(XMLProblem) {
    switch (depth, name) {
    case (2, "Error"):
      // A deletion of what is not there is a success, for services that say otherwise too.
      if entry.code != "NoSuchKey" { failures.append(entry) }
      guard failures.count <= 1000 else { throw .tooLong }
    case (2, "EncodingType"): isEncoded = text.elementsEqual("url".utf8)
    case (3, "Key"): entry.key = ObjectKey(bytes: text)
    case (3, "Code"): entry.code = String(decoding: text, as: UTF8.self)
    case (3, "Message"): entry.message = String(decoding: text, as: UTF8.self)
    default: break
    }
  }

  mutating func finish() throws(XMLProblem) -> [FailedDeletion] {
    guard isEncoded else { return failures }
    for place in failures.indices { failures[place].key = try ListPageDocument.decoded(failures[place].key) }
    return failures
  }
}
