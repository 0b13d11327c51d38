/// What is known of one name.
struct ObjectEntry: Sendable, Hashable {
  enum Object: Sendable, Hashable {
    case absent
    case directory
    /// - stamp: tells this version from others of the name, see `ObjectTree.stamp`.
    case file(ObjectVersion, stamp: UInt64)
  }

  var object: Object
  /// When the request that told so was sent, or the change of our own was done. Nanoseconds of CLOCK_MONOTONIC.
  var asOf: UInt64
  /// Told by a change of our own: no answer to an earlier request overrules it.
  var isOwn = false

  /// The file's version; nil for anything else.
  var file: (version: ObjectVersion, stamp: UInt64)? {
    if case .file(let version, let stamp) = object { (version, stamp) } else { nil }
  }
}

/// A path by 128 bits, so that entries take little room: keyed per process, since the keys are other people's.
struct PathHash: Sendable, Hashable {
  private let high: UInt64
  private let low: UInt64

  private static let seeds = (UInt64.random(in: .min ... .max), UInt64.random(in: .min ... .max))

  init(_ bytes: some Collection<UInt8>) {
    var first = StableHash(seed: Self.seeds.0)
    var second = Self.seeds.1
    first.combine(bytes)
    for byte in bytes {
      second = (second ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15
      second ^= second >> 29
    }
    high = first.value
    low = second
  }

  func hash(into hasher: inout Hasher) { hasher.combine(low) }
}
