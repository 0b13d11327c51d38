internal import CLinux
import Glibc
package import SystemPackage

extension Descriptor {
  /// Whether a read would not block (data, end of file or error). Waits at most `milliseconds`; -1 waits for ever.
  package borrowing func isReadable(within milliseconds: CInt = 0) throws(Errno) -> Bool {
    try becomes(Int16(POLLIN), within: milliseconds)
  }

  /// Whether a write would not block. Waits at most `milliseconds`; -1 waits for ever.
  package borrowing func isWritable(within milliseconds: CInt = 0) throws(Errno) -> Bool {
    try becomes(Int16(POLLOUT), within: milliseconds)
  }

  /// Whether poll(2) reports an error now: for a `/dev/fuse` descriptor, that its connection is gone.
  package borrowing func hasError() throws(Errno) -> Bool { try becomes(0, within: 0) }

  private borrowing func becomes(_ events: Int16, within milliseconds: CInt) throws(Errno) -> Bool {
    let number = rawValue
    let clock = ContinuousClock()
    let end = clock.now + .milliseconds(Int(milliseconds))
    var remaining = milliseconds
    while true {
      var request = pollfd(fd: number, events: events, revents: 0)
      do throws(Errno) {
        return try Syscall.once { poll(&request, 1, remaining) } > 0
      } catch .interrupted {
        if milliseconds > 0 { remaining = max(0, CInt((end - clock.now) / .milliseconds(1))) }
      }
    }
  }
}
