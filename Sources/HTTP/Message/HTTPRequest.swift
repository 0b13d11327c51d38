package import SystemPackage

/// One request, as it is sent: nothing is added to it but `Host`, `Accept`, `Content-Length` and the client's name.
package struct HTTPRequest: Sendable {
  /// `GET`, `HEAD`, `PUT`, …
  package var method: String
  /// Absolute, `http://` or `https://`. Its path and query are sent as they are: the caller encodes them.
  package var url: String
  /// Sent in this order, with these names.
  package var fields: [HTTPField]
  package var body: HTTPBody
  package var timeouts: HTTPTimeouts
  /// Whether HTTP/2 is asked for, where the configuration allows it and the connection is encrypted.
  package var prefersHTTP2: Bool
  /// Whether it may be sent once more on a new connection, when a kept one turns out to be closed before a byte of the
  /// answer came: the server may have acted on it all the same. By default false for POST and PATCH. RFC 9110, 9.2.2.
  package var mayBeResent: Bool

  package init(
    method: String = "GET", url: String, fields: [HTTPField] = [], body: HTTPBody = .none,
    timeouts: HTTPTimeouts = HTTPTimeouts(), prefersHTTP2: Bool = false, mayBeResent: Bool? = nil
  ) {
    self.method = method
    self.url = url
    self.fields = fields
    self.body = body
    self.timeouts = timeouts
    self.prefersHTTP2 = prefersHTTP2
    self.mayBeResent = mayBeResent ?? !["POST", "PATCH"].contains(method)
  }
}

/// What follows the head of a request.
package enum HTTPBody: Sendable {
  /// No body; PUT, POST and PATCH say `Content-Length: 0`.
  case none
  case bytes([UInt8])
  /// Read piece by piece while it is sent, and again from the start when it is sent again.
  case source(any HTTPBodySource)
}

/// A body of known length that can be read more than once.
package protocol HTTPBodySource: Sendable {
  /// In bytes; asked once per request.
  var length: UInt64 { get }
  /// Fills the buffer from its start. Called on the client's thread, which serves all transfers: a local file or memory is
  /// fine, a network is not.
  /// - Returns: how many bytes were read; 0 before `length` fails the request, as does an error.
  func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(Errno) -> Int
}

/// How long each phase of a request may take; nil is for ever.
package struct HTTPTimeouts: Sendable, Hashable {
  /// Name resolution, connection and TLS, once a connection is to be made.
  package var connect: Duration
  /// From the last byte of the request to the first of the answer.
  package var response: Duration?
  /// Without a byte in either direction while a body is under way. A paused transfer is not stalled.
  package var stall: Duration?
  /// All of it, the wait for a connection and pauses too.
  package var total: Duration?

  package init(
    connect: Duration = .seconds(10), response: Duration? = .seconds(60), stall: Duration? = .seconds(30),
    total: Duration? = nil
  ) {
    self.connect = connect
    self.response = response
    self.stall = stall
    self.total = total
  }
}
