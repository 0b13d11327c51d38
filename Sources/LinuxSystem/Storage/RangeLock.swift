internal import CLinux
import Glibc
package import SystemPackage

/// An exclusive lock on one byte of a file, wherever it lies, held by the open file description: gone when the last
/// descriptor of that is closed, so also when its process dies. fcntl(2), F_OFD_SETLK.
///
/// Threads that use one description do not exclude each other.
package enum RangeLock {
  private static let set: CInt = 37  // F_OFD_SETLK, which Glibc's module does not show.

  private static func request(_ type: Int32, _ offset: Int64) -> flock {
    flock(l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: off_t(offset), l_len: 1, l_pid: 0)
  }

  /// Takes the lock at once or not at all.
  /// - Throws: EAGAIN when another description has it; EBADF when the file is not open for writing.
  package static func take(_ offset: Int64, of file: borrowing Descriptor) throws(Errno) {
    var request = request(F_WRLCK, offset)
    let number = file.rawValue
    do throws(Errno) {
      try Syscall.retrying { fcntl(number, set, &request) }
    } catch .permissionDenied {
      throw .resourceTemporarilyUnavailable
    }
  }

  /// Gives it back; harmless when it is not held.
  package static func release(_ offset: Int64, of file: borrowing Descriptor) {
    var request = request(F_UNLCK, offset)
    _ = fcntl(file.rawValue, set, &request)
  }

  /// Whether another description has it now. F_OFD_GETLK.
  package static func isTaken(_ offset: Int64, of file: borrowing Descriptor) -> Bool {
    var request = request(F_WRLCK, offset)
    return fcntl(file.rawValue, set - 1, &request) == 0 && request.l_type != Int16(F_UNLCK)
  }
}
