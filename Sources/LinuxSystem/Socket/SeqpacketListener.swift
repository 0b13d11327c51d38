internal import CLinux
import Glibc
package import SystemPackage

/// A unix socket at a path that accepts connections. One listener per path: a lock file beside the socket
/// (`PATH.lock`) decides, so that a stale socket is replaced and a second server is refused.
package final class SeqpacketListener: Sendable {
  /// Readable while a connection waits to be accepted.
  package let descriptor: Descriptor
  /// Of the socket; its lock stands beside it.
  package let path: String
  private let lock: FileLock
  package var rawValue: CInt { descriptor.rawValue }

  /// Makes the socket with mode 0600. Its folder must exist and should be 0700.
  /// - Throws: EADDRINUSE when another server holds the path; ENAMETOOLONG from 108 bytes on.
  package init(path: String, backlog: CInt = 64) throws(Errno) {
    try Syscall.checkNoNul(path)
    do throws(Errno) {
      lock = try FileLock(path: path + ".lock")
    } catch .wouldBlock {
      throw Errno.addressInUse
    }
    let socket = try SeqpacketSocket.make()
    let number = socket.rawValue
    // bind(2) gives the file the mode of the socket's inode: no moment with more rights, no umask.
    try Syscall.once { fchmod(number, 0o600) }
    if unlink(path) != 0, errno != ENOENT { throw Errno(rawValue: errno) }
    try Syscall.once { clinux_bind(number, path) }
    try Syscall.once { listen(number, backlog) }
    self.path = path
    descriptor = socket
  }

  /// The next connection, blocking unless the listener is non-blocking.
  /// - Throws: EAGAIN when non-blocking and nobody waits; EMFILE when descriptors have run out (the connection waits).
  package func accept() throws(Errno) -> SeqpacketSocket {
    let number = rawValue
    let accepted = try Syscall.retrying { clinux_accept(number) }
    return SeqpacketSocket(adopting: Descriptor(adopting: accepted))
  }

  /// Removes the socket's file: at an orderly end. Without it the next listener removes it.
  package func removePath() { unlink(path) }
}
