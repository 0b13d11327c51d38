internal import CLinux
import Glibc
package import SystemPackage

/// Attributes of open files, O_PATH ones too.
extension Descriptor {
  /// fstat(2).
  package borrowing func status() throws(Errno) -> FileStatus {
    var status = stat()
    let number = rawValue
    try Syscall.once { fstat(number, &status) }
    return FileStatus(status)
  }

  /// fstatat(2) of a name in this directory, not following a symlink.
  package borrowing func status(name: [UInt8]) throws(Errno) -> FileStatus {
    var status = stat()
    let number = rawValue
    try name.withName { name throws(Errno) in
      try Syscall.once { fstatat(number, name, &status, AT_SYMLINK_NOFOLLOW) }
    }
    return FileStatus(status)
  }

  /// What tells a name in this directory from any other file where there are no handles. A symlink is not followed.
  /// - Parameter name: ends in a NUL; nothing but the NUL stands for this file itself.
  package borrowing func birth(name: [UInt8] = [0]) throws(Errno) -> FileBirth {
    var birth = clinux_birth()
    let number = rawValue
    try name.withName { name throws(Errno) in try Syscall.once { clinux_birth(number, name, &birth) } }
    return FileBirth(device: birth.device, inode: birth.inode, nanoseconds: birth.nanoseconds)
  }

  /// fstatvfs(3).
  package borrowing func fileSystemStatus() throws(Errno) -> FileSystemStatus {
    var status = statvfs()
    let number = rawValue
    try Syscall.retrying { fstatvfs(number, &status) }
    return FileSystemStatus(
      blockSize: UInt64(status.f_bsize), fragmentSize: UInt64(status.f_frsize), blocks: UInt64(status.f_blocks),
      freeBlocks: UInt64(status.f_bfree), availableBlocks: UInt64(status.f_bavail), files: UInt64(status.f_files),
      freeFiles: UInt64(status.f_ffree), maximumNameLength: UInt64(status.f_namemax),
      readOnly: status.f_flag & UInt(ST_RDONLY) != 0)
  }

  /// O_DIRECT, which Glibc's module does not show.
  package static var directIOFlag: CInt { clinux_O_DIRECT }

  /// The kind of file system, as statfs(2) numbers them.
  package borrowing func fileSystemType() throws(Errno) -> UInt64 {
    let number = rawValue
    var type: UInt64 = 0
    try Syscall.retrying { clinux_file_system_type(number, &type) }
    return type
  }

  /// chmod(2) of permission bits. - Throws: EOPNOTSUPP for a symlink.
  package borrowing func changeMode(_ mode: UInt32) throws(Errno) {
    let number = rawValue
    try Syscall.retrying { clinux_chmodfd(number, mode) }
  }

  /// fchownat(2) with an empty path; nil leaves an owner as it is.
  package borrowing func changeOwner(uid: UInt32?, gid: UInt32?) throws(Errno) {
    let number = rawValue
    try Syscall.retrying { fchownat(number, "", uid ?? .max, gid ?? .max, clinux_AT_EMPTY_PATH) }
  }

  /// utimensat(2) with an empty path.
  package borrowing func changeTimes(access: FileTime, modification: FileTime) throws(Errno) {
    let number = rawValue
    let times = [access.timespec, modification.timespec]
    try Syscall.retrying { utimensat(number, "", times, clinux_AT_EMPTY_PATH) }
  }
}
