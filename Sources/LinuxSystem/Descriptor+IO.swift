internal import CLinux
import Glibc
package import SystemPackage

extension Descriptor {
  /// open(2) of `path`; O_CLOEXEC is always added.
  /// - Throws: EINVAL for a path with a NUL, else what open(2) says.
  package static func open(_ path: String, _ flags: CInt, mode: UInt32 = 0) throws(Errno) -> Descriptor {
    try Syscall.checkNoNul(path)
    return Descriptor(adopting: try Syscall.retrying { Glibc.open(path, flags | O_CLOEXEC, mode) })
  }

  /// openat(2) of `path` relative to this directory; O_CLOEXEC is always added.
  package borrowing func open(at path: String, _ flags: CInt, mode: UInt32 = 0) throws(Errno) -> Descriptor {
    try Syscall.checkNoNul(path)
    let directory = rawValue
    return Descriptor(adopting: try Syscall.retrying { openat(directory, path, flags | O_CLOEXEC, mode) })
  }

  /// One read(2) of at most `count` bytes; empty at the end of the file.
  package borrowing func read(upTo count: Int) throws(Errno) -> [UInt8] {
    let number = rawValue
    var bytes = [UInt8](repeating: 0, count: count)
    let got = try Syscall.retrying { Glibc.read(number, &bytes, count) }
    bytes.removeLast(count - got)
    return bytes
  }

  /// Reads from the current offset to the end.
  /// - Throws: EFBIG when there are more than `limit` bytes.
  package borrowing func readToEnd(limit: Int = 64 << 20) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let part = try read(upTo: 65_536)
      if part.isEmpty { return bytes }
      bytes += part
      if bytes.count > limit { throw Errno.fileTooLarge }
    }
  }

  /// Writes all bytes at the current offset, in as many write(2) calls as it takes.
  package borrowing func writeAll(_ bytes: [UInt8]) throws(Errno) {
    let number = rawValue
    var done = 0
    while done < bytes.count {
      done += try Syscall.retrying {
        bytes.withUnsafeBytes { Glibc.write(number, $0.baseAddress.map { $0 + done }, $0.count - done) }
      }
    }
  }

  /// Sets or clears O_NONBLOCK of the open file description, which other holders of it share.
  package borrowing func setNonBlocking(_ enabled: Bool) throws(Errno) {
    let number = rawValue
    let flags = try Syscall.once { fcntl(number, F_GETFL) }
    try Syscall.once { fcntl(number, F_SETFL, enabled ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) }
  }

  /// The path that the kernel knows for the open file (`/proc/self/fd/N`); ends in ` (deleted)` for unlinked files.
  package borrowing func path() throws(Errno) -> String {
    String(decoding: try SymbolicLink.read("/proc/self/fd/\(rawValue)"), as: UTF8.self)
  }
}

/// A symbolic link's text. readlink(2).
package enum SymbolicLink {
  /// The bytes that the link holds. Links of /proc can be of any length up to 64 KiB here.
  package static func read(_ path: String) throws(Errno) -> [UInt8] {
    try Syscall.checkNoNul(path)
    var capacity = 256
    while true {
      var bytes = [UInt8](repeating: 0, count: capacity)
      let count = try Syscall.retrying {
        bytes.withUnsafeMutableBytes { clinux_readlink(path, $0.baseAddress, $0.count) }
      }
      if count < capacity { return Array(bytes[..<count]) }
      guard capacity < 65_536 else { throw Errno.fileNameTooLong }
      capacity *= 4
    }
  }
}

/// Small files read and written whole: /proc, /sys, pid files.
package enum WholeFile {
  /// - Throws: EFBIG beyond `limit` bytes.
  package static func read(_ path: String, limit: Int = 64 << 20) throws(Errno) -> [UInt8] {
    try Descriptor.open(path, O_RDONLY).readToEnd(limit: limit)
  }

  /// The file's bytes as text, invalid UTF-8 replaced.
  package static func text(_ path: String, limit: Int = 64 << 20) throws(Errno) -> String {
    String(decoding: try read(path, limit: limit), as: UTF8.self)
  }

  /// One write(2) to an existing file, as the files of /proc and /sys want it.
  package static func write(_ text: String, to path: String) throws(Errno) {
    try Descriptor.open(path, O_WRONLY).writeAll(Array(text.utf8))
  }
}
