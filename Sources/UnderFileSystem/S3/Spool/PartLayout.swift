/// How a written object is cut into parts: a thousand of 8 MiB, then a thousand each of twice the size, so that 5 TiB take
/// fewer than the 10,000 parts that S3 knows, and no part more than 4 GiB.
struct PartLayout: Sendable, Hashable {
  /// Bytes of the first parts.
  let first: Int64
  private static let step: Int64 = 1000

  init(first: Int64 = 8 << 20) { self.first = first }

  /// Where a part begins; parts count from 0, numbers in the store from 1.
  func start(_ part: Int) -> Int64 {
    let level = Int64(part) / Self.step
    // Whole levels before: step × first × (1 + 2 + 4 + …).
    return Self.step * first * ((1 << level) - 1) + (Int64(part) % Self.step) * (first << level)
  }

  func range(_ part: Int) -> Range<Int64> { start(part)..<start(part + 1) }

  /// The part that a byte lies in.
  func part(at offset: Int64) -> Int {
    var level: Int64 = 0
    var begin: Int64 = 0
    while offset >= begin + Self.step * (first << level) {
      begin += Self.step * (first << level)
      level += 1
    }
    return Int(level * Self.step + (offset - begin) / (first << level))
  }

  /// The parts that a range touches.
  func parts(_ range: Range<Int64>) -> Range<Int> {
    range.isEmpty ? 0..<0 : part(at: range.lowerBound)..<part(at: range.upperBound - 1) + 1
  }

  /// Parts of a file of that size.
  func count(_ size: Int64) -> Int { parts(0..<size).upperBound }
}
