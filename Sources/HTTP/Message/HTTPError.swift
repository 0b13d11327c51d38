/// Why there is no whole answer. An answer with a status of 400 and more is none: it is an answer.
package struct HTTPError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What a caller does differently.
  package enum Kind: Sendable, Hashable {
    /// The request itself cannot be sent: its URL, a field, its method.
    case invalid
    /// libcurl is not there or too old.
    case library
    /// The name has no address.
    case resolve
    /// Nobody accepts connections there, or the proxy refuses.
    case connect
    /// TLS failed, most often the certificate.
    case tls
    case timeout(Phase)
    /// The connection was lost before the end of the answer.
    case reset
    /// The answer's body is shorter than its head said.
    case truncated
    /// More header fields, or more body, than the caller takes.
    case tooLarge
    /// By ``HTTPTransfer/cancel()``, a sink's ``HTTPReception/stop`` or the client's shutdown.
    case cancelled
    /// What came is no HTTP.
    case `protocol`
    /// The request's own body could not be read.
    case source
    case other
  }

  /// Which limit of ``HTTPTimeouts`` was passed.
  package enum Phase: Sendable, Hashable { case connect, response, stall, total }

  package var kind: Kind
  /// A sentence for people: what failed with which host and port. It holds no path, no query and no field of the request.
  package var message: String
  /// `host:port` of the request's URL; empty before it was looked at.
  package var endpoint: String
  /// Whether the server may have acted on the request.
  package var wasSent: Bool

  package init(_ kind: Kind, _ message: String, endpoint: String = "", wasSent: Bool = false) {
    self.kind = kind
    self.message = message
    self.endpoint = endpoint
    self.wasSent = wasSent
  }

  package var description: String { message }
}
