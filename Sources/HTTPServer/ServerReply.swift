/// What a server answers.
package struct ServerReply: Sendable, Hashable {
  /// HTTP status.
  package var status: UInt32
  package var contentType: String
  package var body: [UInt8]

  package init(_ status: UInt32, contentType: String = "text/plain; charset=utf-8", _ text: String) {
    self.status = status
    self.contentType = contentType
    body = Array(text.utf8)
  }
}

/// Why there is no server; one sentence that says what to do.
package struct HTTPServerError: Error, Sendable, Hashable, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}
