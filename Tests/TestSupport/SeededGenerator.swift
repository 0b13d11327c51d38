/// Random numbers that are the same for the same seed, on every machine (SplitMix64): put the seed into the message of
/// a failed expectation.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// Bytes of any value.
  package mutating func bytes(count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
  }

  /// A few bytes of a valid text or file changed: others in their place, left out, doubled, or cut off.
  package mutating func mutated(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...5, using: &self) {
      guard !bytes.isEmpty else { return [0] }
      let at = Int.random(in: 0..<bytes.count, using: &self)
      let end = min(bytes.count, at + Int.random(in: 1...40, using: &self))
      switch Int.random(in: 0..<6, using: &self) {
      case 0, 1: bytes[at] = UInt8.random(in: 0...255, using: &self)
      case 2: bytes.removeSubrange(at..<end)
      case 3: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &self))
      case 4: bytes.insert(contentsOf: self.bytes(count: end - at), at: at)
      default: if oneIn(4) { bytes.removeSubrange(at...) }
      }
    }
    return bytes
  }

  /// True once in `count` times.
  package mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}
