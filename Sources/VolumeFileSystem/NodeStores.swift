import LinuxSystem

#if FAULT_INJECTION
  /// Lets a test come before each store to nodes and their index, to take the memory as a worker leaves it that dies there.
  enum NodeStores {
    /// Runs the store. Of the thread that the test has set it for.
    @TaskLocal static var gate: (@Sendable (() -> Void) -> Void)?
  }
#endif

/// Stores to nodes, free slots and index. Each is one aligned word, so that a worker dies before or behind it; a release
/// store is ordered behind all stores before it.
extension SharedMemory {
  @inline(__always) private func gated(_ store: () -> Void) {
    #if FAULT_INJECTION
      if let gate = NodeStores.gate { return gate(store) }
    #endif
    store()
  }

  @inline(__always) func put(_ value: UInt32, at offset: Int) { gated { storeReleasing32(value, at: offset) } }
  @inline(__always) func put(_ value: UInt64, at offset: Int) { gated { storeReleasing64(value, at: offset) } }
  @inline(__always) func putUnordered(_ value: UInt32, at offset: Int) { gated { storeRelaxed32(value, at: offset) } }
  @inline(__always) func putUnordered(_ value: UInt64, at offset: Int) { gated { storeRelaxed64(value, at: offset) } }

  /// - Returns: the value before.
  @inline(__always) @discardableResult func increase(_ offset: Int, by value: UInt32) -> UInt32 {
    var before: UInt32 = 0
    gated { before = add32(value, at: offset) }
    return before
  }

  /// - Returns: the value before.
  @inline(__always) @discardableResult func increase(_ offset: Int, by value: UInt64) -> UInt64 {
    var before: UInt64 = 0
    gated { before = add64(value, at: offset) }
    return before
  }

  /// Puts `value` where 0 is. - Returns: whether it did.
  @inline(__always) func claim(_ offset: Int, _ value: UInt32) -> Bool {
    guard loadRelaxed32(at: offset) == 0 else { return false }
    var done = false
    gated { done = compareExchange32(expected: 0, desired: value, at: offset).exchanged }
    return done
  }
}
