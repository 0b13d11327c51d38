internal import CLinux
import Glibc
package import SystemPackage

/// Entries of an open directory in the order and with the cookies (`d_off`) of its file system. getdents64(2).
/// One thread at a time.
package struct DirectoryReader: ~Copyable, Sendable {
  /// Bytes fetched at a time: large enough that a system call's cost does not show.
  private static let bufferSize = 32 * 1024

  private let directory: Descriptor
  private var buffer: [UInt8] = []
  private var next = 0
  private var end = 0
  /// Where the entry behind the last one that was taken starts: 0, or that entry's cookie.
  package private(set) var position: UInt64

  /// - Parameters:
  ///   - directory: opened for reading by nobody else, since its offset is used.
  ///   - cookie: 0 or a cookie that an earlier reader of this directory gave.
  package init(_ directory: consuming Descriptor, from cookie: UInt64) throws(Errno) {
    if cookie != 0 { try directory.seek(to: Int64(bitPattern: cookie), whence: SEEK_SET) }
    self.directory = directory
    position = cookie
  }

  /// Hands entries to `body` until it returns false; that entry comes again.
  /// - Parameter body: the name with its NUL, inode number, DT_* type, cookie.
  /// - Returns: whether the end was reached.
  package mutating func forEach(
    _ body: (Span<UInt8>, UInt64, UInt8, UInt64) throws(Errno) -> Bool
  ) throws(Errno) -> Bool {
    while true {
      if next == end, try !fill() { return true }
      let stop = end
      let bytes = buffer
      while next < stop {
        // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
        let record = bytes.span.extracting(next..<stop)
        let inode = record.littleEndian64(at: 0)
        let cookie = record.littleEndian64(at: 8)
        let length = Int(record[16]) | Int(record[17]) << 8
        var nameEnd = 19
        while record[nameEnd] != 0 { nameEnd += 1 }
        let type = record[18]
        guard try body(record.extracting(19..<nameEnd + 1), inode, type, cookie) else { return false }
        next += length
        position = cookie
      }
    }
  }

  private mutating func fill() throws(Errno) -> Bool {
    if buffer.isEmpty { buffer = [UInt8](repeating: 0, count: Self.bufferSize) }
    let number = directory.rawValue
    let count = buffer.withUnsafeMutableBytes { clinux_getdents64(number, $0.baseAddress, $0.count) }
    if count < 0 { throw Errno(rawValue: errno) }
    next = 0
    end = count
    return count > 0
  }
}

extension Span<UInt8> {
  func littleEndian64(at offset: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<8 { value |= UInt64(self[offset + index]) << (8 * UInt64(index)) }
    return value
  }
}
