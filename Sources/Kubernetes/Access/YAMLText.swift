internal import CYAML
internal import Glibc

/// YAML 1.2 turned into JSON by libfyaml, for files that people write. JSON is YAML, and passes unchanged.
enum YAMLText {
  /// Why a text was not read. Nothing of the text is repeated: it may hold secrets.
  struct Malformed: Error, Hashable, CustomStringConvertible {
    /// From 1; nil where the library names none.
    var line: Int?
    /// The library's words.
    var reason: String

    var description: String { line.map { "line \($0): \(reason)" } ?? reason }
  }

  /// The one document of a text, as JSON in UTF-8. A text without any is `null`.
  static func json(_ text: [UInt8]) throws(Malformed) -> [UInt8] {
    var outlet = unsafe fy_diag_cfg()
    unsafe fy_diag_cfg_default(&outlet)
    // Errors are collected, or they would be printed with lines of the text.
    guard let diagnosis = unsafe fy_diag_create(&outlet) else { throw Malformed(reason: "there is no memory for it") }
    defer { unsafe fy_diag_unref(diagnosis) }
    unsafe fy_diag_set_collect_errors(diagnosis, true)
    var configuration = unsafe fy_parse_cfg()
    unsafe configuration.flags = FYPCF_RESOLVE_DOCUMENT
    unsafe configuration.diag = diagnosis
    // SAFETY: the document points into the text, and both end in this call; the JSON is the library's until it is copied.
    let json: [UInt8]? = unsafe text.withUnsafeBufferPointer { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) { characters in
        guard let document = unsafe fy_document_build_from_string(&configuration, characters.baseAddress, bytes.count)
        else { return nil }
        defer { unsafe fy_document_destroy(document) }
        guard let emitted = unsafe fy_emit_document_to_string(document, FYECF_MODE_JSON_ONELINE) else { return nil }
        defer { unsafe free(emitted) }
        return unsafe Array(UnsafeBufferPointer(start: emitted, count: strlen(emitted)).map(UInt8.init(bitPattern:)))
      }
    }
    guard let json else { throw unsafe firstError(diagnosis) }
    return json
  }

  private static func firstError(_ diagnosis: OpaquePointer) -> Malformed {
    // SAFETY: the error and its words belong to the diagnosis, which the caller holds.
    var place: UnsafeMutableRawPointer?
    guard let error = unsafe fy_diag_errors_iterate(diagnosis, &place) else {
      return Malformed(reason: "it is no YAML")
    }
    let words = unsafe error.pointee.msg.map { unsafe String(cString: $0) } ?? "it is no YAML"
    let line = unsafe Int(error.pointee.line)
    return Malformed(line: line > 0 ? line : nil, reason: words)
  }
}
