/// A status other than OK: thrown by handlers, and by `Client.call`.
package struct RPCError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Never `.ok`.
  package let code: StatusCode
  /// For people: what is wrong and what to do. Sent to the other side, so it holds no secret.
  package let message: String

  package init(_ code: StatusCode, _ message: String) {
    self.code = code
    self.message = message
  }

  package var description: String { "\(code): \(message)" }
}

extension RPCError {
  /// Longest message that is sent, in bytes after percent-encoding. It travels in a trailer, and peers refuse trailers
  /// over 8 KiB with an error that says nothing of ours.
  static let maximumEncodedMessage = 4096

  /// The message, cut at a character's border to `maximumEncodedMessage`.
  var trailer: String {
    var size = 0
    for index in message.unicodeScalars.indices {
      let scalar = message.unicodeScalars[index]
      let isPlain = (0x20...0x7E).contains(scalar.value) && scalar != "%"
      size += isPlain ? 1 : 3 * UTF8.width(scalar)
      // Three dots stay free.
      if size > Self.maximumEncodedMessage - 3 { return String(message.unicodeScalars[..<index]) + "..." }
    }
    return message
  }
}
