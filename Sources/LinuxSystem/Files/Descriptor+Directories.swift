internal import CLinux
import Glibc
package import SystemPackage

/// Directories by name in an open directory, so that nobody can put a link in the way. The directory may be O_PATH.
extension Descriptor {
  /// A directory as a place to start from (O_PATH): nothing is asked of its file system, no right to read is needed.
  package static func reach(_ path: String) throws(Errno) -> Descriptor {
    try open(path, clinux_O_PATH | O_DIRECTORY)
  }

  /// A file of any kind as a thing to be named (O_PATH): nothing can be read or written, and it can be executed.
  package static func find(_ path: String) throws(Errno) -> Descriptor { try open(path, clinux_O_PATH) }

  /// The directory `name` in this one, as ``reach(_:)``.
  /// - Throws: ENOTDIR or ELOOP for a symbolic link, when links are not followed.
  package borrowing func reach(_ name: String, followingLinks: Bool) throws(Errno) -> Descriptor {
    try open(at: name, clinux_O_PATH | O_DIRECTORY | (followingLinks ? 0 : O_NOFOLLOW))
  }

  /// mkdirat(2).
  package borrowing func makeDirectory(_ name: String, mode: UInt32) throws(Errno) {
    try Syscall.checkNoNul(name)
    let directory = rawValue
    try Syscall.retrying { mkdirat(directory, name, mode) }
  }

  /// Removes an empty directory. unlinkat(2) with AT_REMOVEDIR.
  package borrowing func removeDirectory(_ name: String) throws(Errno) {
    try Syscall.checkNoNul(name)
    let directory = rawValue
    try Syscall.retrying { unlinkat(directory, name, AT_REMOVEDIR) }
  }

  /// Whether `name` is a symbolic link; false where nothing is.
  package borrowing func isSymbolicLink(_ name: String) -> Bool {
    var status = stat()
    return fstatat(rawValue, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }
}
