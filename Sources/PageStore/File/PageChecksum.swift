internal import CXXHash
import LinuxSystem

/// XXH3 of xxHash, 64 and 128 bits: against faults of disks, not against forgers.
enum PageChecksum {
  /// Of bytes at a place: the same bytes elsewhere have another one. Never 0, which stands for "none".
  @inline(__always) static func block(_ bytes: RawSpan, seed: UInt64) -> UInt64 {
    // SAFETY: XXH3 reads `count` bytes.
    let value = unsafe bytes.withUnsafeBytes { unsafe cxxhash_64($0.baseAddress, $0.count, seed) }
    return value == 0 ? 1 : value
  }

  /// The same of a part of a buffer.
  @inline(__always) static func block(_ buffer: borrowing MutableRawSpan, _ range: Range<Int>, seed: UInt64) -> UInt64 {
    // SAFETY: the slice traps outside of the buffer, and XXH3 reads the slice.
    let value = unsafe buffer.withUnsafeBytes { bytes in
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
      return unsafe cxxhash_64(part.baseAddress, part.count, seed)
    }
    return value == 0 ? 1 : value
  }

  /// The same of an array, or of its start.
  static func block(_ bytes: [UInt8], count: Int? = nil, seed: UInt64) -> UInt64 {
    bytes.withRawSpan(0..<(count ?? bytes.count)) { block($0, seed: seed) }
  }

  /// 128 bits, for numbers of versions.
  static func digest(_ bytes: [UInt8]) -> (high: UInt64, low: UInt64) {
    var (high, low) = (UInt64(0), UInt64(0))
    // SAFETY: XXH3 reads `count` bytes and writes two words.
    unsafe bytes.withUnsafeBytes { unsafe cxxhash_128($0.baseAddress, $0.count, &high, &low) }
    return (high, low)
  }
}
