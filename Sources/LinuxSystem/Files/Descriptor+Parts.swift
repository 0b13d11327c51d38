internal import CLinux
import Glibc
package import SystemPackage

/// Reads into a part of a buffer, for callers that fill one buffer from several places.
extension Descriptor {
  /// pread(2) into `range` of the buffer until it is full or the file ends. - Returns: bytes read.
  package borrowing func read(
    into buffer: inout MutableRawSpan, range: Range<Int>, at offset: Int64
  ) throws(Errno) -> Int {
    let number = rawValue
    let result = buffer.withUnsafeMutableBytes { bytes -> Result<Int, Errno> in
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[range])
      var done = 0
      while done < part.count {
        let got = pread(number, part.baseAddress.map { $0 + done }, part.count - done, off_t(offset) + done)
        if got == 0 { break }
        if got > 0 {
          done += got
        } else if errno != EINTR {
          return .failure(Errno(rawValue: errno))
        }
      }
      return .success(done)
    }
    return try result.get()
  }

  /// One preadv2(2) with RWF_NOWAIT into `range` of the buffer: only what is in memory.
  /// - Throws: EAGAIN when nothing is, EOPNOTSUPP where the file system cannot tell.
  package borrowing func readWithoutWaiting(
    into buffer: inout MutableRawSpan, range: Range<Int>, at offset: Int64
  ) throws(Errno) -> Int {
    let number = rawValue
    let got = buffer.withUnsafeMutableBytes { bytes in
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[range])
      return clinux_preadv2(number, part.baseAddress, part.count, offset, 8)
    }
    if got < 0 { throw Errno(rawValue: errno) }
    return got
  }

  /// One preadv2(2) of `count` words, in the machine's byte order. - Returns: bytes read.
  /// - Parameter waiting: false: RWF_NOWAIT, as ``readWithoutWaiting(into:range:at:)``.
  package borrowing func read(
    words: inout InlineArray<64, UInt64>, count: Int, at offset: Int64, waiting: Bool
  ) throws(Errno) -> Int {
    precondition(count <= 64)
    let number = rawValue
    let got = withUnsafeMutableBytes(of: &words) { bytes in
      clinux_preadv2(number, bytes.baseAddress, count * 8, offset, waiting ? 0 : 8)
    }
    if got < 0 { throw Errno(rawValue: errno) }
    return got
  }
}

/// The same with arrays.
extension Descriptor {
  /// pread(2) into the array's start. - Returns: bytes read, fewer than `count` at the end of the file.
  package borrowing func read(into bytes: inout [UInt8], count: Int, at offset: Int64) throws(Errno) -> Int {
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    return try read(into: &raw, range: 0..<count, at: offset)
  }

  /// pwrite(2) of a part of the array, as ``write(_:at:flags:)``.
  package borrowing func write(_ bytes: [UInt8], range: Range<Int>, at offset: Int64) throws(Errno) -> Int {
    try write(bytes.span.bytes.extracting(range), at: offset)
  }
}

extension MutableRawSpan {
  /// Copies all of `source` to `offset`.
  package mutating func replace(at offset: Int, with source: RawSpan) {
    withUnsafeMutableBytes { bytes in
      let part = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + source.byteCount])
      source.withUnsafeBytes { part.copyMemory(from: $0) }
    }
  }

  /// Copies all of `source` to `offset`, for callers that may not look at bytes as such themselves.
  package mutating func replace(at offset: Int, with source: [UInt8]) { replace(at: offset, with: source.span.bytes) }
}
