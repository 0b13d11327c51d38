/// Status and fields of an answer.
package struct HTTPResponseHead: Sendable, Hashable {
  /// 200 to 599: interim answers (1xx) are left out.
  package var status: Int
  /// In the order of their arrival.
  package var fields: [HTTPField]
  /// `1.0`, `1.1` or `2`.
  package var version: String

  package init(status: Int, fields: [HTTPField], version: String) {
    self.status = status
    self.fields = fields
    self.version = version
  }

  /// The last value of a field, whatever the case of its name.
  package subscript(_ name: String) -> String? { fields.last { $0.isNamed(name) }?.value }

  /// All values of a field, in the order of their arrival.
  package func values(of name: String) -> [String] { fields.filter { $0.isNamed(name) }.map(\.value) }

  /// `Content-Length`; nil when there is none or it is not a number.
  package var contentLength: UInt64? { self["Content-Length"].flatMap { UInt64($0) } }
}

/// A whole answer.
package struct HTTPResponse: Sendable {
  package var head: HTTPResponseHead
  package var body: [UInt8]

  package init(head: HTTPResponseHead, body: [UInt8]) {
    self.head = head
    self.body = body
  }
}

/// What a sink says to what it was given.
package enum HTTPReception: Sendable {
  /// Go on.
  case go
  /// This was taken; nothing more until ``HTTPTransfer/resume()``. The connection stays, and its peer waits.
  case pause
  /// The rest is not wanted: the transfer ends as cancelled, and its connection is closed.
  case stop
}

/// Takes the answer of one transfer.
///
/// Called on the client's thread, which serves all transfers, so it must not wait. It may start, cancel and resume
/// transfers. First the head, once, then the body's bytes in pieces of at most 16 KiB; nothing after the completion.
package protocol HTTPBodySink: AnyObject, Sendable {
  func receive(head: HTTPResponseHead) -> HTTPReception
  /// - Parameter bytes: valid during the call only.
  func receive(_ bytes: RawSpan) -> HTTPReception
}
