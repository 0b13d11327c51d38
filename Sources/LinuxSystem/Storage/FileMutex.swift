internal import CLinux
import Glibc
import Synchronization
package import SystemPackage

/// Mutual exclusion between the threads of this process and between all processes that name the same file. flock(2).
/// The lock of a process that dies is free at once. The file is never removed: that would let two own it.
package final class FileMutex: Sendable {
  private let descriptor: Descriptor
  /// flock(2) does not exclude two holders of one open file description, which all threads here share.
  private let threads = Mutex<Void>(())

  /// Opens or creates the file; takes nothing yet.
  package init(path: String) throws(Errno) {
    descriptor = try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
  }

  /// Waits for the lock, however long: run it on a thread that may block.
  package func withLock<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value, onLockFailure: (Errno) -> Failure
  ) throws(Failure) -> Value {
    try threads.withLock { _ throws(Failure) in
      let number = descriptor.rawValue
      do throws(Errno) {
        try Syscall.retrying { flock(number, LOCK_EX) }
      } catch {
        throw onLockFailure(error)
      }
      defer { flock(number, LOCK_UN) }
      return try body()
    }
  }
}
