internal import LinuxSystem

/// What an answer's elements are put together to.
protocol XMLDocument: Sendable {
  associatedtype Value: Sendable

  /// - Parameter depth: 1 for the outermost element.
  mutating func opened(_ name: String, depth: Int) throws(XMLProblem)
  /// - Parameter text: empty where the element has others inside.
  mutating func closed(_ name: String, text: [UInt8], depth: Int) throws(XMLProblem)
  /// After the last element.
  mutating func finish() throws(XMLProblem) -> Value
}

extension XMLProblem {
  /// The text is XML and not what was asked for.
  static func unexpected(_ what: String) -> XMLProblem { .malformed(what, line: 0) }
}

/// An answer that is read while it arrives, of bounded length.
struct XMLReader<Document: XMLDocument>: Sendable {
  private var document: Document
  private let stream = XMLStream()
  private var remaining: Int
  private var hasBegun = false

  /// - Parameter limit: bytes of the whole text.
  init(_ document: Document, limit: Int = 8 << 20) {
    self.document = document
    remaining = limit
  }

  /// Reads the next piece.
  mutating func feed(_ bytes: RawSpan) throws(XMLProblem) {
    guard bytes.byteCount <= remaining else { throw .tooLong }
    remaining -= bytes.byteCount
    if hasBegun { return try take(stream.feed(bytes)) }
    try begin(bytes.bytes)
  }

  /// Without the blanks at the start: completing an upload takes minutes, and S3 sends them meanwhile. No XML begins so.
  private mutating func begin(_ bytes: [UInt8]) throws(XMLProblem) {
    let text = Array(bytes.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) })
    guard !text.isEmpty else { return }
    hasBegun = true
    try take(stream.feed(text))
  }

  /// Says that this was all.
  mutating func finish() throws(XMLProblem) -> Document.Value {
    try take(stream.finish())
    return try document.finish()
  }

  private mutating func take(_ events: [XMLEvent]) throws(XMLProblem) {
    for event in events {
      switch event {
      case .opened(let name, let depth): try document.opened(name, depth: depth)
      case .closed(let name, let text, let depth): try document.closed(name, text: text, depth: depth)
      }
    }
  }

  /// Reads a whole text.
  static func read(_ bytes: [UInt8], as document: Document) throws(XMLProblem) -> Document.Value {
    var reader = XMLReader(document)
    try reader.begin(bytes)
    return try reader.finish()
  }
}
