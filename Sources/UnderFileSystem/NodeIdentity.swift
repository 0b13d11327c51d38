/// What a node is in its under file system, whatever its names: bytes that only the implementation that made them can read.
/// Local files: the file handle of name_to_handle_at(2), `kind` its type. Kept in place, so that a lookup allocates nothing.
package struct NodeIdentity: Sendable {
  /// As many as Linux allows for a file handle, MAX_HANDLE_SZ.
  package static let maximumLength = 128

  /// Meaning of the bytes, defined by the implementation; part of the identity.
  package var kind: Int32
  /// Bytes in use.
  package private(set) var length: Int
  /// The bytes, eight to a word in memory order; those behind `length` are zero.
  package private(set) var words: InlineArray<16, UInt64>

  /// - Parameter length: bytes of `words` in use; the rest must be zero.
  package init(kind: Int32, length: Int, words: InlineArray<16, UInt64>) {
    precondition(length <= Self.maximumLength, "an identity has at most 128 bytes")
    self.kind = kind
    self.length = length
    self.words = words
  }

  /// Number of words that hold the bytes.
  package var wordCount: Int { (length + 7) / 8 }
}

extension NodeIdentity: Hashable {
  package static func == (left: NodeIdentity, right: NodeIdentity) -> Bool {
    guard left.kind == right.kind, left.length == right.length else { return false }
    for index in 0..<left.wordCount where left.words[index] != right.words[index] { return false }
    return true
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(stableHash) }

  /// A hash that is the same in every process (FNV-1a over words, then mixed), so that it can live in shared state.
  package var stableHash: UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(UInt32(bitPattern: kind))
    for index in 0..<wordCount { hash = (hash ^ words[index]) &* 0x0000_0100_0000_01b3 }
    hash ^= hash >> 32
    return hash &* 0x9E37_79B9_7F4A_7C15
  }
}
