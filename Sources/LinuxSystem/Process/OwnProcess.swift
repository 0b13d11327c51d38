import Glibc

/// The calling process.
package enum OwnProcess {
  /// Ends it as the kernel does when memory is short: at once, with nothing cleaned up. kill(2) with SIGKILL.
  package static func kill() { Glibc.kill(getpid(), SIGKILL) }
}
