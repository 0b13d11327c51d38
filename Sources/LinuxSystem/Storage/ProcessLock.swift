internal import CLinux
import Glibc
package import SystemPackage

/// A lock that at most one process has on a file, whatever descriptor it reached the file by, and that the kernel takes
/// back when the process ends: before its pidfd says so. Other than those of flock(2) it is not shared with whoever has a
/// copy of the descriptor. fcntl(2), F_SETLK.
package enum ProcessLock {
  /// Takes the whole file at once or not at all. The process loses the lock as soon as it closes any descriptor of the file.
  /// - Throws: EAGAIN when another process has it.
  package static func take(_ file: borrowing Descriptor) throws(Errno) {
    var request = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    let number = file.rawValue
    do throws(Errno) {
      try Syscall.retrying { fcntl(number, F_SETLK, &request) }
    } catch .permissionDenied {
      throw .resourceTemporarilyUnavailable  // fcntl(2) lets systems choose between the two.
    }
  }

  /// The process that has the lock; nil: none but perhaps the caller. 0: one that is not seen in this PID namespace.
  package static func owner(of file: borrowing Descriptor) throws(Errno) -> Int32? {
    var request = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    let number = file.rawValue
    try Syscall.retrying { fcntl(number, F_GETLK, &request) }
    return request.l_type == Int16(F_UNLCK) ? nil : max(0, request.l_pid)
  }
}
