/// Paths are bytes to the kernel. Swift's `Character` joins a slash with a combining mark that follows it, so that a
/// search for `/` in a `String` misses slashes that the kernel sees; these look at the UTF-8 bytes.
package enum PathComponents {
  /// The parts between slashes, empty ones included.
  package static func split(_ text: some StringProtocol) -> [String] {
    Array(text.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether `text` begins with the bytes of `prefix`.
  package static func has(_ text: some StringProtocol, prefix: String) -> Bool {
    text.utf8.starts(with: prefix.utf8)
  }

  /// Whether both are the same bytes. `==` takes different spellings of one accented letter for equal; a file system does not.
  package static func same(_ left: some StringProtocol, _ right: some StringProtocol) -> Bool {
    left.utf8.elementsEqual(right.utf8)
  }

  /// Whether `path` is `ancestor` or lies beneath it; both absolute and normal.
  package static func isBeneathOrSame(_ path: String, _ ancestor: String) -> Bool {
    same(path, ancestor) || has(path, prefix: ancestor == "/" ? "/" : ancestor + "/")
  }
}
