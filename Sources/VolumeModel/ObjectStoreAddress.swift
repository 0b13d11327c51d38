/// Where an object store answers: scheme, host and port, without a bucket.
package struct ObjectStoreAddress: Sendable, Hashable, CustomStringConvertible {
  /// Whether requests go over TLS.
  package let isSecure: Bool
  /// Lower case; an IPv6 address in brackets.
  package let host: String
  /// As written; nil: the scheme's own.
  package let port: UInt16?

  package init(isSecure: Bool = true, host: String, port: UInt16? = nil) {
    self.isSecure = isSecure
    self.host = host
    // The scheme's own port is left out, as HTTP clients do it in the Host field, which is signed.
    self.port = port == (isSecure ? 443 : 80) ? nil : port
  }

  package var description: String { "\(isSecure ? "https" : "http")://\(authority)" }

  /// Host and port as they stand in a URL and in the Host field.
  package var authority: String { port.map { "\(host):\($0)" } ?? host }

  /// Whether the host is an IPv4 or IPv6 address, before which no bucket can stand.
  package var isNumeric: Bool {
    host.hasPrefix("[") || host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || Self.isDigit($0) }
  }

  /// Whether the host has a single label, as `minio` or `localhost`: nobody resolves names beneath it.
  package var isSingleLabel: Bool { !host.utf8.contains(UInt8(ascii: ".")) }

  /// Why a text is no endpoint. The text is never repeated: somebody may have put a key into it.
  package struct ParseError: Error, Hashable { package let reason: String }

  /// Reads `[http://|https://]host[:port][/]`. Without a scheme it is https: what is sent are credentials' signatures and
  /// other people's data.
  package init(parsing text: String) throws(ParseError) {
    var rest = Array(text.utf8)[...]
    var isSecure = true
    for (scheme, secure) in [("https://", true), ("http://", false)] where Self.starts(rest, with: scheme) {
      rest = rest.dropFirst(scheme.utf8.count)
      isSecure = secure
      break
    }
    if rest.last == UInt8(ascii: "/") { rest = rest.dropLast() }
    if rest.contains(UInt8(ascii: "@")) {
      throw ParseError(reason: "has a user or password in it; keys go into a secret")
    }
    if rest.contains(UInt8(ascii: "/")) || rest.contains(UInt8(ascii: "?")) || rest.contains(UInt8(ascii: "#")) {
      throw ParseError(reason: "has a path; the bucket belongs into the path of the volume")
    }
    let (host, port) = try Self.split(rest)
    self.init(isSecure: isSecure, host: try Self.host(host), port: try port.map(Self.port))
    if isLinkLocal { throw ParseError(reason: "is a link-local address, where the node's metadata service answers") }
  }

  private static func split(
    _ text: ArraySlice<UInt8>
  ) throws(ParseError) -> (host: ArraySlice<UInt8>, port: ArraySlice<UInt8>?) {
    let colon = UInt8(ascii: ":")
    if text.first == UInt8(ascii: "[") {
      guard let end = text.firstIndex(of: UInt8(ascii: "]")) else { throw ParseError(reason: "has no closing bracket") }
      let after = text[(end + 1)...]
      if after.isEmpty { return (text[...end], nil) }
      guard after.first == colon else { throw ParseError(reason: "has text behind the address") }
      return (text[...end], after.dropFirst())
    }
    guard let place = text.firstIndex(of: colon) else { return (text, nil) }
    return (text[..<place], text[(place + 1)...])
  }

  private static func host(_ bytes: ArraySlice<UInt8>) throws(ParseError) -> String {
    guard !bytes.isEmpty, bytes.count <= 253 else { throw ParseError(reason: "has no host name, or too long a one") }
    let isAddress = bytes.first == UInt8(ascii: "[")
    let inner = isAddress ? bytes.dropFirst().dropLast() : bytes
    let extra: [UInt8] = isAddress ? Array(":.".utf8) : Array("-._".utf8)
    guard !inner.isEmpty, inner.allSatisfy({ isDigit($0) || isLetter($0) || extra.contains($0) }) else {
      throw ParseError(reason: "has a character in its host name that none has")
    }
    guard
      isAddress
        || inner.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
          .allSatisfy({ (1...63).contains($0.count) })
    else { throw ParseError(reason: "has an empty or too long part in its host name") }
    return String(decoding: bytes, as: UTF8.self).lowercased()
  }

  private static func port(_ bytes: ArraySlice<UInt8>) throws(ParseError) -> UInt16 {
    guard bytes.allSatisfy(isDigit), let port = UInt16(String(decoding: bytes, as: UTF8.self)), port > 0 else {
      throw ParseError(reason: "has a port that is no number from 1 to 65535")
    }
    return port
  }

  /// RFC 3927 and RFC 4291, 2.5.6: never an object store, and on cloud nodes the way to the node's own credentials.
  private var isLinkLocal: Bool {
    if isNumeric, host.hasPrefix("169.254.") { return true }
    return ["[fe8", "[fe9", "[fea", "[feb", "[fd00:ec2:", "[::ffff:169.254."].contains { host.hasPrefix($0) }
  }

  private static func starts(_ bytes: ArraySlice<UInt8>, with text: String) -> Bool {
    String(decoding: bytes.prefix(text.utf8.count), as: UTF8.self).lowercased() == text
  }
  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
}
