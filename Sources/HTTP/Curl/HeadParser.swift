/// Puts the head of an answer together from its lines. RFC 9112, sections 4 and 5.
struct HeadParser {
  private var version = ""
  private var status = 0
  private var fields: [HTTPField] = []
  /// Bytes of all lines so far, those of interim answers too.
  private(set) var byteCount = 0
  /// The head, once its last line has come. Lines after that are trailers.
  private(set) var head: HTTPResponseHead?

  /// Takes one line with its end.
  /// - Returns: false when it is no line of a head.
  mutating func add(_ line: UnsafeRawBufferPointer) -> Bool {
    byteCount += line.count
    guard head == nil else { return true }
    var line = line[...]
    while let last = line.last, last == 0x0a || last == 0x0d { line = line.dropLast() }
    if line.isEmpty { return finish() }
    if line.starts(with: "HTTP/".utf8) { return begin(line) }
    if line.first == 0x20 || line.first == 0x09 { return fold(line) }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return false }
    fields.append(HTTPField(Self.text(line[..<colon]), Self.text(line[(colon + 1)...])))
    return true
  }

  /// `HTTP/1.1 200 OK`, `HTTP/2 200`.
  private mutating func begin(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
    let words = line.dropFirst(5).split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: true)
    // RFC 9110, 15: there are no others.
    guard words.count > 1, words[1].count == 3, let number = Int(Self.text(words[1])), (100...599).contains(number)
    else { return false }
    version = Self.text(words[0])
    status = number
    fields = []
    return true
  }

  /// The end of a head; an interim answer is forgotten.
  private mutating func finish() -> Bool {
    guard status >= 100 else { return false }
    if status >= 200 || status == 101 { head = HTTPResponseHead(status: status, fields: fields, version: version) }
    status = 0
    fields = []
    return true
  }

  /// A line that continues the value before, as old servers write it.
  private mutating func fold(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
    guard let last = fields.indices.last else { return false }
    fields[last].value += " " + Self.text(line)
    return true
  }

  /// Without blanks around; invalid UTF-8 replaced.
  private static func text(_ bytes: Slice<UnsafeRawBufferPointer>) -> String {
    var bytes = bytes.drop { $0 == 0x20 || $0 == 0x09 }
    while let last = bytes.last, last == 0x20 || last == 0x09 { bytes = bytes.dropLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
