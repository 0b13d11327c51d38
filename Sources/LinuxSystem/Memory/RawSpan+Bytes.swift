extension RawSpan {
  /// A copy of all bytes, for code that must outlive the span.
  package var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}
