internal import CLinux
import Glibc
package import SystemPackage

/// Flags that a file system keeps with a file. ioctl_iflags(2).
package enum InodeFlags {
  /// Whether the file or directory can be changed by nobody (`chattr +i`).
  /// - Parameter descriptor: open for reading, not O_PATH.
  /// - Returns: nil when the file system has no such flags.
  package static func isImmutable(_ descriptor: borrowing Descriptor) throws(Errno) -> Bool? {
    try read(descriptor).map { $0 & CLINUX_FS_IMMUTABLE_FL != 0 }
  }

  /// Makes a file or directory immutable, or changeable again.
  /// - Parameter descriptor: open for reading, not O_PATH. Open it before something is mounted over it.
  /// - Returns: false when the file system cannot keep the flag.
  /// - Throws: EPERM without CAP_LINUX_IMMUTABLE, EROFS.
  package static func setImmutable(_ immutable: Bool, on descriptor: borrowing Descriptor) throws(Errno) -> Bool {
    try set(CLINUX_FS_IMMUTABLE_FL, immutable, on: descriptor)
  }

  /// Whether directories are made in this one as in a root directory (`chattr +T`): far from each other on the disk.
  /// - Parameter descriptor: as for ``isImmutable(_:)``.
  /// - Returns: nil when the file system has no such flags.
  package static func isTopDirectory(_ descriptor: borrowing Descriptor) throws(Errno) -> Bool? {
    try read(descriptor).map { $0 & CLINUX_FS_TOPDIR_FL != 0 }
  }

  /// Has directories that are made in this one from now on placed as in a root directory.
  /// - Parameter descriptor: as for ``isImmutable(_:)``; its file belongs to the caller.
  /// - Returns: false when the file system cannot keep the flag.
  /// - Throws: EPERM for the directory of another user, EROFS.
  package static func setTopDirectory(on descriptor: borrowing Descriptor) throws(Errno) -> Bool {
    try set(CLINUX_FS_TOPDIR_FL, true, on: descriptor)
  }

  private static func set(_ flag: CInt, _ value: Bool, on descriptor: borrowing Descriptor) throws(Errno) -> Bool {
    guard let present = try read(descriptor) else { return false }
    var wanted = value ? present | flag : present & ~flag
    if wanted == present { return true }
    let number = descriptor.rawValue
    do throws(Errno) {
      try Syscall.retrying { clinux_set_inode_flags(number, &wanted) }
    } catch  where isUnsupported(error) {
      return false
    }
    return true
  }

  private static func read(_ descriptor: borrowing Descriptor) throws(Errno) -> CInt? {
    let number = descriptor.rawValue
    var flags: CInt = 0
    do throws(Errno) {
      try Syscall.retrying { clinux_get_inode_flags(number, &flags) }
    } catch  where isUnsupported(error) {
      return nil
    }
    return flags
  }

  /// ENOTTY: the file system knows no such ioctl. EOPNOTSUPP: it knows it, but not for this file or flag.
  private static func isUnsupported(_ error: Errno) -> Bool {
    error == .inappropriateIOCTLForDevice || error == .notSupportedOnSocket || error == .noFunction
  }
}
