/// Where a CSI server listens: an absolute path of a unix socket.
package struct Endpoint: Hashable, Sendable, CustomStringConvertible {
  /// Absolute, without NUL or comma, short enough for `sockaddr_un`.
  package let path: String

  /// sun_path of `sockaddr_un` has 108 bytes with its NUL.
  private static let longestPath = 107

  /// Reads `unix:///p`, `unix://p` as Alluxio's charts write it (the path is then relative to the root, `/p`), and
  /// `unix:p` where `p` is absolute.
  /// - Throws: `EndpointError` with a sentence that names what is allowed.
  package init(_ text: String) throws(EndpointError) {
    guard text.hasPrefix("unix:") else { throw EndpointError(text, "it is not a unix socket") }
    var path = text.dropFirst("unix:".count)
    if path.hasPrefix("//") {
      path = path.dropFirst(2)
      if !path.isEmpty, !path.hasPrefix("/") { path = "/" + path }
    }
    try self.init(path: String(path), of: text)
  }

  /// A socket at an absolute path.
  package init(path: String) throws(EndpointError) { try self.init(path: path, of: path) }

  private init(path: String, of text: String) throws(EndpointError) {
    if path.isEmpty { throw EndpointError(text, "its path is empty") }
    if !path.hasPrefix("/") { throw EndpointError(text, "its path is not absolute") }
    if path.utf8.contains(0) { throw EndpointError(text, "its path holds a NUL byte") }
    // core takes a comma for the border between two addresses, encoded or not
    if path.contains(",") { throw EndpointError(text, "its path holds a comma") }
    if path.hasSuffix("/") { throw EndpointError(text, "its path names a folder") }
    if path.utf8.count > Self.longestPath {
      throw EndpointError(text, "its path has \(path.utf8.count) bytes, over the limit of \(Self.longestPath)")
    }
    self.path = path
  }

  package var description: String { "unix://\(path)" }

  /// The folder of the socket.
  var folder: String {
    let folder = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
    return folder.isEmpty ? "/" : String(folder)
  }

  /// The file whose lock says that a server owns the socket.
  var lockPath: String { path + ".lock" }

  /// The address as gRPC core parses it: a URI, in which everything but plain characters is percent-encoded.
  var address: String {
    let digits = Array("0123456789ABCDEF")
    var encoded = "unix:"
    for byte in path.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default: encoded += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
      }
    }
    return encoded
  }
}

/// An endpoint that cannot be served.
package struct EndpointError: Error, Equatable, Sendable, CustomStringConvertible {
  private let text: String
  private let reason: String

  init(_ text: String, _ reason: String) {
    self.text = text
    self.reason = reason
  }

  package var description: String {
    "endpoint \"\(text)\" cannot be used: \(reason); write unix:///path/to/csi.sock"
  }
}
