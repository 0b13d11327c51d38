/// The name of an object, or a prefix of names: bytes, UTF-8 by the services' rules. Compared and ordered by bytes, as
/// S3 lists them; at most 1024 of them.
package struct ObjectKey: Sendable, Hashable, Comparable {
  /// Without a leading slash, except where the key has one.
  package let bytes: [UInt8]

  package init(bytes: some Sequence<UInt8>) { self.bytes = Array(bytes) }
  /// The array itself, which is not copied.
  package init(bytes: [UInt8]) { self.bytes = bytes }

  package static func < (left: ObjectKey, right: ObjectKey) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }

  func begins(with prefix: ObjectKey) -> Bool { bytes.starts(with: prefix.bytes) }

  /// S3's and OSS's limit.
  package static let longest = 1024
}

extension ObjectKey: ExpressibleByStringLiteral, CustomStringConvertible {
  package init(stringLiteral text: String) { self.init(bytes: text.utf8) }
  package init(_ text: String) { self.init(bytes: text.utf8) }
  /// For people: bytes that are not UTF-8 are shown with replacement characters.
  package var description: String { String(decoding: bytes, as: UTF8.self) }
}

/// The version tag of an object's content, without its quotes. RFC 9110, 8.8.3.
package struct EntityTag: Sendable, Hashable {
  /// Opaque: an MD5 only for objects of one part that are not encrypted with a customer's key.
  package let value: String

  /// - Parameter text: as a field or a listing has it, with or without quotes and `W/`.
  package init(_ text: String) { self.init(bytes: Array(text.utf8)) }

  init(bytes text: [UInt8]) {
    var bytes = text[...]
    if bytes.count >= 2, bytes[0] == UInt8(ascii: "W"), bytes[1] == UInt8(ascii: "/") { bytes = bytes[2...] }
    let quote = UInt8(ascii: "\"")
    if bytes.count >= 2, bytes.first == quote, bytes.last == quote { bytes = bytes.dropFirst().dropLast() }
    value = String(decoding: bytes, as: UTF8.self)
  }

  /// As it stands in `If-Match`.
  package var quoted: String { "\"\(value)\"" }
}
