extension RawSpan {
  /// A copy of all bytes, for code that must outlive the span.
  package var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension [UInt8] {
  /// Lends all bytes for the time of a call.
  package func withRawSpan<Value, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try body(span.bytes)
  }

  /// Lends the bytes of `range`, without a copy.
  package func withRawSpan<Value, Failure: Error>(
    _ range: Range<Int>, _ body: (RawSpan) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try body(span.bytes.extracting(range))
  }

  /// Lends all bytes to be filled.
  package mutating func withMutableRawSpan<Value, Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    var span = mutableSpan
    var bytes = span.mutableBytes
    return try body(&bytes)
  }
}

/// 4 KiB on the stack, for code that must not allocate.
package enum ScratchBlock {
  /// Lends the block, zeroed.
  package static func with<Value>(_ body: (inout MutableRawSpan) -> Value) -> Value {
    var bytes = InlineArray<4096, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    return body(&raw)
  }
}
