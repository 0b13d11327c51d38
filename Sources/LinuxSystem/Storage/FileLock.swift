internal import CLinux
import Glibc
package import SystemPackage

/// A lock on a file of its own, held while this object lives and gone with its process; exclusive where nothing else is
/// said. flock(2). The file holds the process id of who has it alone, for messages, and is never removed: that would let two
/// own it.
package final class FileLock: Sendable {
  /// Of the lock file.
  package let path: String
  private let descriptor: Descriptor

  /// Takes the lock at once or not at all.
  /// - Throws: EWOULDBLOCK (`.wouldBlock`) when another process has it; see `owner(ofLockAt:)`.
  package init(path: String) throws(Errno) {
    let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
    let number = file.rawValue
    try Syscall.retrying { flock(number, LOCK_EX | LOCK_NB) }
    try Syscall.retrying { ftruncate(number, 0) }
    try file.writeAll(Array("\(getpid())\n".utf8))
    self.path = path
    descriptor = file
  }

  /// Takes a lock that others may share, so that ``isHeld(at:)`` says so. Waits for who looks.
  package init(sharedAt path: String) throws(Errno) {
    let file = try Descriptor.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
    let number = file.rawValue
    try Syscall.retrying { flock(number, LOCK_SH) }
    self.path = path
    descriptor = file
  }

  /// Whether anybody has the lock of that file, alone or shared.
  package static func isHeld(at path: String) -> Bool {
    guard let file = try? Descriptor.open(path, O_RDWR | O_NOFOLLOW) else { return false }
    let number = file.rawValue
    do throws(Errno) { try Syscall.retrying { flock(number, LOCK_EX | LOCK_NB) } } catch { return error == .wouldBlock }
    flock(number, LOCK_UN)
    return false
  }

  deinit {
    // Closing alone would leave the lock to a child that was forked and has not yet come to its exec.
    flock(descriptor.rawValue, LOCK_UN)
  }

  /// The process id that the last owner wrote, for messages only.
  package static func owner(ofLockAt path: String) -> Int32? {
    guard let text = try? WholeFile.text(path, limit: 64) else { return nil }
    return Int32(text.prefix { $0.isNumber })
  }
}
