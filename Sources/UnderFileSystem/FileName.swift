/// One name in a directory, as the kernel hands it over: bytes, not text. POSIX.1-2024, 3.141 Filename.
package struct FileName: Sendable, Hashable {
  /// The name's bytes followed by one NUL.
  package let nulTerminated: [UInt8]

  /// - Parameter bytes: without a NUL; the caller guarantees what the kernel guarantees (no `/`, not empty).
  package init(bytes: some Sequence<UInt8>) {
    var name: [UInt8] = []
    name.reserveCapacity(bytes.underestimatedCount + 1)
    name.append(contentsOf: bytes)
    name.append(0)
    nulTerminated = name
  }

  /// The name without its NUL.
  package var bytes: ArraySlice<UInt8> { nulTerminated.dropLast() }
}

extension FileName: ExpressibleByStringLiteral, CustomStringConvertible {
  package init(stringLiteral text: String) { self.init(bytes: text.utf8) }
  /// For people: invalid UTF-8 is shown with replacement characters.
  package var description: String { String(decoding: bytes, as: UTF8.self) }
}
