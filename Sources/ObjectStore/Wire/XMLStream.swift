internal import CExpat
import Glibc

/// What an XML text holds, as far as object stores use it: elements and the text of those that have no others inside.
enum XMLEvent: Sendable, Hashable {
  /// `depth` is 1 for the outermost.
  case opened(String, depth: Int)
  /// The text between the last opening or closing before and this closing.
  case closed(String, text: [UInt8], depth: Int)
}

/// Why an XML text was not read to its end.
enum XMLProblem: Error, Sendable, Hashable {
  /// Expat's words, and where.
  case malformed(String, line: Int)
  /// A document type, and so entities: no object store sends one.
  case documentType
  case tooDeep, tooLong
}

/// Expat as a stream: bytes in, events out. Depth, names and texts are bounded, and document types are refused, so that no
/// text needs more memory than its own longest element.
@safe final class XMLStream: @unchecked Sendable {
  // SAFETY: the parser never leaves it, and is freed with it. Sendable: used by one thread at a time, as its owner is; the parser is its own and dies with it.

  /// Bounds of what is read.
  static let deepest = 16
  static let longestName = 128
  /// A key of 1024 bytes, each written as `%25XX` at worst.
  static let longestText = 32 << 10

  private let parser: XML_Parser?
  private let state = State()

  /// What the callbacks write to; the parser points at it.
  @safe private final class State {
    var events: [XMLEvent] = []
    var names: [String] = []
    var text: [UInt8] = []
    var problem: XMLProblem?
    var parser: XML_Parser?

    /// Keeps the first problem and lets the parser read no further.
    func stop(_ first: XMLProblem) {
      guard problem == nil else { return }
      problem = first
      // SAFETY: called from within a callback of this parser.
      if let parser = unsafe parser { unsafe _ = XML_StopParser(parser, 0) }
    }
  }

  init() {
    // SAFETY: nil only without memory; every use checks. `state` lives as long as the parser.
    unsafe parser = XML_ParserCreate("UTF-8")
    guard let parser = unsafe parser else { return }
    unsafe state.parser = parser
    unsafe XML_SetUserData(parser, Unmanaged.passUnretained(state).toOpaque())
    unsafe XML_SetElementHandler(parser, Self.opened, Self.closed)
    unsafe XML_SetCharacterDataHandler(parser, Self.characters)
    unsafe XML_SetStartDoctypeDeclHandler(parser, Self.documentType)
  }

  // SAFETY: the parser is freed once, by its owner.
  deinit { unsafe XML_ParserFree(parser) }

  /// Reads the next bytes.
  /// - Returns: what they completed.
  func feed(_ bytes: RawSpan) throws(XMLProblem) -> [XMLEvent] {
    // SAFETY: expat reads `count` bytes and keeps none of the addresses.
    unsafe try parse { parser in
      unsafe bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return XML_STATUS_OK }
        return unsafe XML_Parse(parser, start.assumingMemoryBound(to: CChar.self), CInt(clamping: bytes.count), 0)
      }
    }
  }

  /// The same of an array.
  func feed(_ bytes: [UInt8]) throws(XMLProblem) -> [XMLEvent] {
    // SAFETY: bytes have no padding between them.
    unsafe try feed(bytes.span.bytes)
  }

  /// Says that there is no more.
  /// - Throws: where the text is not complete.
  func finish() throws(XMLProblem) -> [XMLEvent] {
    // SAFETY: no bytes are read.
    unsafe try parse { unsafe XML_Parse($0, nil, 0, 1) }
  }

  private func parse(_ body: (XML_Parser) -> XML_Status) throws(XMLProblem) -> [XMLEvent] {
    guard let parser = unsafe parser else { throw .malformed("out of memory", line: 0) }
    state.events.removeAll(keepingCapacity: true)
    let status = unsafe body(parser)
    if let problem = state.problem { throw problem }
    guard status == XML_STATUS_OK else {
      let line = Int(clamping: unsafe XML_GetCurrentLineNumber(parser))
      let words = unsafe XML_ErrorString(XML_GetErrorCode(parser)).map { unsafe String(cString: $0) }
      throw .malformed(words ?? "not well-formed", line: line)
    }
    return state.events
  }

  // MARK: Callbacks of the parser; `data` is the state that `init` gave it.

  private static func state(_ data: UnsafeMutableRawPointer?) -> State? {
    // SAFETY: the state outlives the parser, which calls only from within `parse`.
    unsafe data.map { unsafe Unmanaged<State>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let characters: XML_CharacterDataHandler = { data, bytes, count in
    guard let state = unsafe XMLStream.state(data), let bytes = unsafe bytes, state.problem == nil else { return }
    guard state.text.count + Int(count) <= XMLStream.longestText else {
      state.stop(.tooLong)
      return
    }
    // SAFETY: expat hands over `count` bytes.
    unsafe state.text.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: Int(count)))
  }

  private static let opened: XML_StartElementHandler = { data, name, _ in
    guard let state = unsafe XMLStream.state(data), let name = unsafe name, state.problem == nil else { return }
    guard state.names.count < XMLStream.deepest else {
      state.stop(.tooDeep)
      return
    }
    // SAFETY: expat's names end in a NUL. A prefix of a namespace is left out.
    let length = unsafe strlen(name)
    guard length <= XMLStream.longestName else {
      state.stop(.tooLong)
      return
    }
    let start = unsafe strrchr(name, CInt(UInt8(ascii: ":"))).map { unsafe UnsafePointer($0) + 1 } ?? name
    let local = unsafe String(cString: start)
    state.names.append(local)
    state.text.removeAll(keepingCapacity: true)
    state.events.append(.opened(local, depth: state.names.count))
  }

  private static let closed: XML_EndElementHandler = { data, _ in
    guard let state = unsafe XMLStream.state(data), state.problem == nil, let name = state.names.popLast() else {
      return
    }
    state.events.append(.closed(name, text: state.text, depth: state.names.count + 1))
    state.text.removeAll(keepingCapacity: true)
  }

  private static let documentType: XML_StartDoctypeDeclHandler = { data, _, _, _, _ in
    unsafe XMLStream.state(data)?.stop(.documentType)
  }
}
