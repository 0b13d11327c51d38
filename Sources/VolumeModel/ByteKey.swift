/// A volume id, node id or path as the key of a table: equal to another one when their bytes are, and in the order of bytes.
///
/// `String` takes two spellings of one accented letter for equal; to the specification they are two ids, and to a file
/// system two names.
package struct ByteKey: Sendable, Hashable, Comparable, CustomStringConvertible {
  package let text: String
  package var description: String { text }

  package init(_ text: String) { self.text = text }

  package static func == (left: ByteKey, right: ByteKey) -> Bool { PathComponents.same(left.text, right.text) }

  package static func < (left: ByteKey, right: ByteKey) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }

  package func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(text.utf8.count)
  }
}
