internal import CLinux
import Glibc
package import SystemPackage

/// Folders of the driver's own state, by path. Everything that volumes hold goes through handles instead.
package enum Folder {
  /// mkdir(2); a directory that is there already is fine.
  /// - Throws: EEXIST when something else has the name.
  package static func make(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
    try Syscall.checkNoNul(path)
    do throws(Errno) {
      try Syscall.retrying { mkdir(path, mode) }
    } catch .fileExists {
      _ = try Descriptor.open(path, O_RDONLY | O_DIRECTORY)
    }
  }

  /// `make` for the path and every folder above it that is missing.
  package static func makeAll(_ path: String, mode: UInt32 = 0o700) throws(Errno) {
    do throws(Errno) {
      try make(path, mode: mode)
    } catch .noSuchFileOrDirectory {
      guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { throw Errno.noSuchFileOrDirectory }
      try makeAll(String(path[..<slash]), mode: mode)
      try make(path, mode: mode)
    }
  }

  /// rmdir(2): only of an empty one.
  package static func removeEmpty(_ path: String) throws(Errno) {
    try Syscall.checkNoNul(path)
    try Syscall.retrying { rmdir(path) }
  }

  /// rename(2) of a file or folder; what had the new name is gone.
  package static func move(_ old: String, to new: String) throws(Errno) {
    try Syscall.checkNoNul(old)
    try Syscall.checkNoNul(new)
    try Syscall.retrying { rename(old, new) }
  }

  /// Whether this process may create files there. access(2) with W_OK and X_OK; a read-only file system says no.
  package static func isWritable(_ path: String) throws(Errno) -> Bool {
    try Syscall.checkNoNul(path)
    do throws(Errno) {
      try Syscall.retrying { access(path, W_OK | X_OK) }
      return true
    } catch .permissionDenied {
      return false
    } catch .readOnlyFileSystem {
      return false
    }
  }
}
