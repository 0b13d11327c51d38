internal import CLinux
import Glibc
package import SystemPackage

/// Extended attributes of open files, by their name in /proc, so that O_PATH descriptors and symlinks have them too.
extension Descriptor {
  /// getxattr(2), whatever the value's size (at most 64 KiB on Linux).
  package borrowing func extendedAttribute(_ name: [UInt8]) throws(Errno) -> [UInt8] {
    let number = rawValue
    return try name.withName { name throws(Errno) in
      try growing { bytes, count in clinux_getxattrfd(number, name, bytes, count) }
    }
  }

  /// listxattr(2): names, each followed by a NUL.
  package borrowing func extendedAttributeNames() throws(Errno) -> [UInt8] {
    let number = rawValue
    return try growing { bytes, count in
      clinux_listxattrfd(number, bytes?.assumingMemoryBound(to: CChar.self), count)
    }
  }

  /// setxattr(2). - Parameter flags: XATTR_CREATE, XATTR_REPLACE.
  package borrowing func setExtendedAttribute(_ name: [UInt8], to value: [UInt8], flags: Int32) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in
      try Syscall.retrying {
        value.withUnsafeBytes { clinux_setxattrfd(number, name, $0.baseAddress, $0.count, flags) }
      }
    }
  }

  /// removexattr(2).
  package borrowing func removeExtendedAttribute(_ name: [UInt8]) throws(Errno) {
    let number = rawValue
    try name.withName { name throws(Errno) in try Syscall.retrying { clinux_removexattrfd(number, name) } }
  }
}

/// Calls `body` with a small buffer first and with the largest that Linux needs when that one does not do.
private func growing(_ body: (UnsafeMutableRawPointer?, Int) -> Int) throws(Errno) -> [UInt8] {
  for capacity in [1024, 65_536] {
    var bytes = [UInt8](repeating: 0, count: capacity)
    let count = bytes.withUnsafeMutableBytes { body($0.baseAddress, $0.count) }
    if count >= 0 { return Array(bytes.prefix(count)) }
    if errno != ERANGE { throw Errno(rawValue: errno) }
  }
  throw Errno(rawValue: ERANGE)
}
