import CGRPC

/// GRPC_SLICE_START_PTR and GRPC_SLICE_LENGTH, which are macros that Swift does not import: short slices are stored in
/// the structure itself, others behind a pointer.
func withBytes<Result, Failure: Error>(
  of slice: grpc_slice, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  var slice = slice
  return try withMutableBytes(of: &slice) { (bytes) throws(Failure) in try body(UnsafeRawBufferPointer(bytes)) }
}

/// As `withBytes`, to write.
func withMutableBytes<Result, Failure: Error>(
  of slice: inout grpc_slice, _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
) throws(Failure) -> Result {
  if slice.refcount != nil {
    let data = slice.data.refcounted
    return try body(UnsafeMutableRawBufferPointer(start: data.bytes, count: data.length))
  }
  let count = Int(slice.data.inlined.length)
  return try withUnsafeMutableBytes(of: &slice.data.inlined.bytes) { (bytes) throws(Failure) in
    try body(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
  }
}

/// Text of a slice that stays its owner's.
func string(_ slice: grpc_slice) -> String {
  withBytes(of: slice) { String(decoding: $0, as: UTF8.self) }
}

/// A new slice with a copy of `text`, whatever it holds: core's own function for strings stops at a NUL.
func makeSlice(_ text: String) -> grpc_slice {
  var text = text
  return text.withUTF8 { grpc_slice_from_copied_buffer($0.baseAddress, $0.count) }
}
