internal import CLinux
import Glibc
package import SystemPackage

/// Size and use of a file system. statvfs(3). Asks the file system: on a FUSE mount run it with a deadline.
package struct FileSystemStatistics: Sendable, Hashable {
  /// The size of the file system.
  package var totalBytes: UInt64
  /// Free, the part reserved for root included.
  package var freeBytes: UInt64
  /// Free for everybody.
  package var availableBytes: UInt64
  /// 0 where the file system does not count inodes.
  package var totalInodes: UInt64
  package var freeInodes: UInt64
  package var blockSize: UInt64
  package var isReadOnly: Bool

  /// What is taken, as df(1) counts it.
  package var usedBytes: UInt64 { totalBytes - min(totalBytes, freeBytes) }
  package var usedInodes: UInt64 { totalInodes - min(totalInodes, freeInodes) }

  /// Of the file system that holds the open file; O_PATH suffices.
  package init(of descriptor: borrowing Descriptor) throws(Errno) {
    let number = descriptor.rawValue
    var raw = statvfs()
    try Syscall.retrying { fstatvfs(number, &raw) }
    self.init(raw)
  }

  /// Of the file system that holds `path`, symbolic links followed.
  package init(at path: String) throws(Errno) {
    try Syscall.checkNoNul(path)
    var raw = statvfs()
    try Syscall.retrying { statvfs(path, &raw) }
    self.init(raw)
  }

  private init(_ raw: statvfs) {
    let unit = UInt64(raw.f_frsize)
    totalBytes = UInt64(raw.f_blocks).multipliedReportingOverflow(by: unit).partialValue
    freeBytes = UInt64(raw.f_bfree).multipliedReportingOverflow(by: unit).partialValue
    availableBytes = UInt64(raw.f_bavail).multipliedReportingOverflow(by: unit).partialValue
    totalInodes = UInt64(raw.f_files)
    freeInodes = UInt64(raw.f_ffree)
    blockSize = UInt64(raw.f_bsize)
    isReadOnly = raw.f_flag & UInt(ST_RDONLY) != 0
  }
}
