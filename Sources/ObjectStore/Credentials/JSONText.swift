/// The strings of a flat JSON object, as metadata services answer. RFC 8259.
///
/// Not `JSONDecoder`: FoundationEssentials makes a program 7.4 MB larger (measured: 13.3 MB for 5.9 MB, stripped), nearly as
/// much as the whole worker has, for two answers of a few lines.
struct JSONText {
  private let bytes: [UInt8]
  private var at = 0
  private var depth = 0

  private static let deepest = 16

  /// Why a text was not read.
  struct Malformed: Error, Hashable {}

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// The members of the outermost object that are strings; others are checked and left out.
  static func strings(_ bytes: [UInt8]) throws(Malformed) -> [String: String] {
    var text = JSONText(bytes)
    var members: [String: String] = [:]
    text.skipBlanks()
    try text.object { (name, text) throws(Malformed) in
      if text.peek == UInt8(ascii: "\"") { members[name] = try text.string() } else { try text.value() }
    }
    text.skipBlanks()
    guard text.at == bytes.count else { throw Malformed() }
    return members
  }

  /// The members of the outermost object that are objects themselves, with their strings.
  static func objects(_ bytes: [UInt8]) throws(Malformed) -> [String: [String: String]] {
    var text = JSONText(bytes)
    var members: [String: [String: String]] = [:]
    text.skipBlanks()
    try text.object { (name, text) throws(Malformed) in
      guard text.peek == UInt8(ascii: "{") else { return try text.value() }
      var inner: [String: String] = [:]
      try text.object { (name, text) throws(Malformed) in
        if text.peek == UInt8(ascii: "\"") { inner[name] = try text.string() } else { try text.value() }
      }
      members[name] = inner
    }
    text.skipBlanks()
    guard text.at == bytes.count else { throw Malformed() }
    return members
  }

  private var peek: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipBlanks() {
    while let byte = peek, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
  }

  private mutating func expect(_ byte: Unicode.Scalar) throws(Malformed) {
    guard peek == UInt8(ascii: byte) else { throw Malformed() }
    at += 1
  }

  private mutating func object(
    _ member: (String, inout JSONText) throws(Malformed) -> Void
  ) throws(Malformed) {
    try items(from: "{", to: "}") { (text) throws(Malformed) in
      let name = try text.string()
      text.skipBlanks()
      try text.expect(":")
      text.skipBlanks()
      try member(name, &text)
    }
  }

  private mutating func items(
    from first: Unicode.Scalar, to last: Unicode.Scalar, _ item: (inout JSONText) throws(Malformed) -> Void
  ) throws(Malformed) {
    depth += 1
    guard depth <= Self.deepest else { throw Malformed() }
    try expect(first)
    skipBlanks()
    if peek == UInt8(ascii: last) {
      at += 1
      depth -= 1
      return
    }
    while true {
      skipBlanks()
      try item(&self)
      skipBlanks()
      if peek != UInt8(ascii: ",") { break }
      at += 1
    }
    try expect(last)
    depth -= 1
  }

  private mutating func value() throws(Malformed) {
    switch peek {
    case UInt8(ascii: "{"): try object { (_, text) throws(Malformed) in try text.value() }
    case UInt8(ascii: "["): try items(from: "[", to: "]") { (text) throws(Malformed) in try text.value() }
    case UInt8(ascii: "\""): _ = try string()
    default:
      let start = at
      while let byte = peek, (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte) || "+-.E".utf8.contains(byte)
      {
        at += 1
      }
      let word = String(decoding: bytes[start..<at], as: UTF8.self)
      guard ["true", "false", "null"].contains(word) || Double(word) != nil && word.first != "+" else {
        throw Malformed()
      }
    }
  }

  private mutating func string() throws(Malformed) -> String {
    try expect("\"")
    var result: [UInt8] = []
    while let byte = peek {
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: result, as: UTF8.self) else { throw Malformed() }
        return text
      case UInt8(ascii: "\\"): result += Array(String(try escape()).utf8)
      case 0..<0x20: throw Malformed()
      default: result.append(byte)
      }
    }
    throw Malformed()
  }

  private mutating func escape() throws(Malformed) -> Unicode.Scalar {
    guard let byte = peek else { throw Malformed() }
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"):
      let unit = try codeUnit()
      if let scalar = Unicode.Scalar(unit) { return scalar }
      try expect("\\")
      try expect("u")
      let low = try codeUnit()
      guard (0xD800..<0xDC00).contains(unit), (0xDC00..<0xE000).contains(low),
        let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
      else { throw Malformed() }
      return scalar
    default: throw Malformed()
    }
  }

  private mutating func codeUnit() throws(Malformed) -> UInt32 {
    guard at + 4 <= bytes.count,
      bytes[at..<(at + 4)].allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
      let unit = UInt32(String(decoding: bytes[at..<(at + 4)], as: UTF8.self), radix: 16)
    else { throw Malformed() }
    at += 4
    return unit
  }
}
