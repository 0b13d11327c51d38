internal import CLinux
import Glibc
package import SystemPackage

/// RWF_* flags of pwritev2(2): how durable one write is when it returns.
package struct WriteFlags: OptionSet, Sendable, Hashable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }
  /// RWF_DSYNC and RWF_SYNC of pwritev2(2).
  package static let dataSync = WriteFlags(rawValue: 2)
  package static let sync = WriteFlags(rawValue: 4)
}

/// Calls on the content of an open file, all at explicit offsets.
extension Descriptor {
  /// pread(2) until the buffer is full or the file ends. - Returns: bytes put at the start of `buffer`.
  package borrowing func read(into buffer: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    let count = buffer.byteCount
    return try read(into: &buffer, range: 0..<count, at: offset)
  }

  /// pread(2) of `count` bytes. - Returns: fewer only at the end of the file.
  package borrowing func bytes(at offset: Int64, count: Int) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    let got = try read(into: &raw, at: offset)
    bytes.removeLast(count - got)
    return bytes
  }

  /// pwrite(2) until all is written. - Returns: fewer than all only when an error came after the first bytes.
  package borrowing func write(_ bytes: RawSpan, at offset: Int64, flags: WriteFlags = []) throws(Errno) -> Int {
    let number = rawValue
    let result = bytes.withUnsafeBytes { bytes -> Result<Int, Errno> in
      var done = 0
      while done < bytes.count {
        let start = bytes.baseAddress.map { $0 + done }
        let got =
          flags.isEmpty
          ? pwrite(number, start, bytes.count - done, off_t(offset) + done)
          : clinux_pwritev2(number, start, bytes.count - done, offset + Int64(done), flags.rawValue)
        if got > 0 {
          done += got
        } else if got == 0 || errno != EINTR {
          if done > 0 { break }
          return .failure(got == 0 ? .noSpace : Errno(rawValue: errno))
        }
      }
      return .success(done)
    }
    return try result.get()
  }

  /// ftruncate(2).
  package borrowing func truncate(to size: Int64) throws(Errno) {
    let number = rawValue
    try Syscall.retrying { ftruncate(number, off_t(size)) }
  }

  /// truncate(2) of what an O_PATH descriptor refers to.
  package borrowing func truncatePath(to size: Int64) throws(Errno) {
    let number = rawValue
    try Syscall.retrying { clinux_truncatefd(number, size) }
  }

  /// fallocate(2). - Parameter mode: FALLOC_FL_* bits.
  package borrowing func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    let number = rawValue
    try Syscall.retrying { clinux_fallocate(number, mode, offset, length) }
  }

  /// lseek(2); meant for SEEK_DATA and SEEK_HOLE, whose answer does not depend on the current offset.
  @discardableResult
  package borrowing func seek(to offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    let number = rawValue
    return Int64(try Syscall.once { lseek(number, off_t(offset), whence) })
  }

  /// copy_file_range(2), once. - Returns: bytes copied; 0 at the end of the source.
  package borrowing func copyRange(
    at sourceOffset: Int64, to target: borrowing Descriptor, at targetOffset: Int64, length: Int
  ) throws(Errno) -> Int {
    let source = rawValue
    let sink = target.rawValue
    var from = sourceOffset
    var to = targetOffset
    return try Syscall.retrying { clinux_copy_file_range(source, &from, sink, &to, length) }
  }
}
