/// One header field. RFC 9110, section 5.
package struct HTTPField: Sendable, Hashable {
  /// As it is sent; names compare without regard to case.
  package var name: String
  /// Without blanks around. A field of a request may be a secret: nothing here repeats one.
  package var value: String

  package init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }

  /// Whether the field has this name.
  package func isNamed(_ other: String) -> Bool { Self.areEqual(name.utf8, other.utf8) }

  private static func areEqual(_ left: String.UTF8View, _ right: String.UTF8View) -> Bool {
    left.count == right.count && zip(left, right).allSatisfy { lower($0) == lower($1) }
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}
