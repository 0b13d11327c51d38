import CLinux

/// Words that several processes change at once. Offsets must be multiples of the word's size.
extension SharedMemory {
  @inlinable @inline(__always) func word(_ offset: Int, _ size: Int) -> UnsafeMutableRawPointer {
    check(offset, size)
    precondition(offset & (size - 1) == 0, "an atomic word is not aligned")
    return base + offset
  }

  /// Sees everything that was written before the value was stored with release ordering.
  @inlinable @inline(__always) package func loadAcquiring32(at offset: Int) -> UInt32 {
    clinux_u32_load_acquire(word(offset, 4))
  }
  /// Sees everything that was written before the value was stored with release ordering.
  @inlinable @inline(__always) package func loadAcquiring64(at offset: Int) -> UInt64 {
    clinux_u64_load_acquire(word(offset, 8))
  }
  /// The word alone, with no order against anything else.
  @inlinable @inline(__always) package func loadRelaxed32(at offset: Int) -> UInt32 {
    clinux_u32_load_relaxed(word(offset, 4))
  }
  /// The word alone, with no order against anything else.
  @inlinable @inline(__always) package func loadRelaxed64(at offset: Int) -> UInt64 {
    clinux_u64_load_relaxed(word(offset, 8))
  }

  /// Publishes everything that was written before to whoever loads this value with acquire ordering.
  @inlinable @inline(__always) package func storeReleasing32(_ value: UInt32, at offset: Int) {
    clinux_u32_store_release(word(offset, 4), value)
  }
  /// Publishes everything that was written before to whoever loads this value with acquire ordering.
  @inlinable @inline(__always) package func storeReleasing64(_ value: UInt64, at offset: Int) {
    clinux_u64_store_release(word(offset, 8), value)
  }
  /// The word alone, with no order against anything else.
  @inlinable @inline(__always) package func storeRelaxed32(_ value: UInt32, at offset: Int) {
    clinux_u32_store_relaxed(word(offset, 4), value)
  }
  /// The word alone, with no order against anything else.
  @inlinable @inline(__always) package func storeRelaxed64(_ value: UInt64, at offset: Int) {
    clinux_u64_store_relaxed(word(offset, 8), value)
  }

  /// Adds with wrap-around, acquiring and releasing.
  /// - Returns: the value before.
  @inlinable @inline(__always) @discardableResult
  package func add32(_ value: UInt32, at offset: Int) -> UInt32 { clinux_u32_add_acq_rel(word(offset, 4), value) }
  /// Adds with wrap-around, acquiring and releasing.
  /// - Returns: the value before.
  @inlinable @inline(__always) @discardableResult
  package func add64(_ value: UInt64, at offset: Int) -> UInt64 { clinux_u64_add_acq_rel(word(offset, 8), value) }
  /// Subtracts with wrap-around, acquiring and releasing.
  /// - Returns: the value before.
  @inlinable @inline(__always) @discardableResult
  package func subtract64(_ value: UInt64, at offset: Int) -> UInt64 {
    clinux_u64_sub_acq_rel(word(offset, 8), value)
  }

  /// Replaces the value, acquiring and releasing.
  /// - Returns: the value before.
  @inlinable @inline(__always) @discardableResult
  package func exchange32(_ value: UInt32, at offset: Int) -> UInt32 {
    clinux_u32_exchange_acq_rel(word(offset, 4), value)
  }
  /// Replaces the value, acquiring and releasing.
  /// - Returns: the value before.
  @inlinable @inline(__always) @discardableResult
  package func exchange64(_ value: UInt64, at offset: Int) -> UInt64 {
    clinux_u64_exchange_acq_rel(word(offset, 8), value)
  }

  /// Stores `desired` if the word holds `expected`, acquiring and releasing.
  /// - Returns: whether it did, and the value that was found.
  @inlinable @inline(__always) @discardableResult
  package func compareExchange32(
    expected: UInt32, desired: UInt32, at offset: Int
  ) -> (exchanged: Bool, original: UInt32) {
    var found = expected
    let exchanged = clinux_u32_compare_exchange_acq_rel(word(offset, 4), &found, desired)
    return (exchanged, found)
  }
  /// Stores `desired` if the word holds `expected`, acquiring and releasing.
  /// - Returns: whether it did, and the value that was found.
  @inlinable @inline(__always) @discardableResult
  package func compareExchange64(
    expected: UInt64, desired: UInt64, at offset: Int
  ) -> (exchanged: Bool, original: UInt64) {
    var found = expected
    let exchanged = clinux_u64_compare_exchange_acq_rel(word(offset, 8), &found, desired)
    return (exchanged, found)
  }
}
