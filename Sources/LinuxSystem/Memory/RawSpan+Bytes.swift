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
}
