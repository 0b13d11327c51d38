/// Wire bytes put together by hand, right or wrong.
enum Wire {
  static func varint(_ value: UInt64) -> [UInt8] {
    var (rest, bytes) = (value, [UInt8]())
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func tag(_ number: UInt64, _ wireType: UInt64) -> [UInt8] { varint(number << 3 | wireType) }

  /// A field with a varint.
  static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { tag(field, 0) + varint(value) }

  /// A field with contents: a string, bytes, a message, a packed list.
  static func contents(_ field: UInt64, _ contents: [UInt8]) -> [UInt8] {
    tag(field, 2) + varint(UInt64(contents.count)) + contents
  }

  static func string(_ field: UInt64, _ text: String) -> [UInt8] { contents(field, Array(text.utf8)) }
}
