/// A hash of bytes that is the same in every process: FNV-1a, mixed at its end.
struct StableHash: Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = 0xcbf2_9ce4_8422_2325 ^ (seed &* 0x9E37_79B9_7F4A_7C15) }

  @inline(__always) mutating func combine(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  }

  mutating func combine(_ value: UInt64) {
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      state = (state ^ (value >> shift & 0xFF)) &* 0x0000_0100_0000_01b3
    }
  }

  /// Of all that was combined. The multiplications of FNV never reach the lower bits from above; these do.
  var value: UInt64 {
    var hash = state
    hash = (hash ^ (hash >> 33)) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ (hash >> 33)) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ (hash >> 33)
  }
}
