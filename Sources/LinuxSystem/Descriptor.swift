internal import CLinux
import Glibc
package import SystemPackage

/// A file descriptor with one owner, closed when the owner's life ends. Every one is CLOEXEC unless a call says otherwise.
package struct Descriptor: ~Copyable, Sendable {
  /// The number, valid while this value lives. Pass it on only for the time of a call.
  package let rawValue: CInt

  /// Takes ownership of an open descriptor.
  package init(adopting rawValue: CInt) {
    precondition(rawValue >= 0, "a descriptor is never negative")
    self.rawValue = rawValue
  }

  deinit { _ = Glibc.close(rawValue) }

  /// Closes now and tells how it went, for files whose close reports write errors. close(2): never repeated after EINTR.
  package consuming func close() throws(Errno) {
    let number = release()
    try Syscall.once { Glibc.close(number) }
  }

  /// Gives up ownership: the caller closes it.
  package consuming func release() -> CInt {
    let number = rawValue
    discard self
    return number
  }

  /// Whether the number is open in this process: for numbers that a parent promised.
  package static func isOpen(_ number: CInt) -> Bool { fcntl(number, F_GETFD) >= 0 }

  /// A second descriptor of the same open file description, CLOEXEC. fcntl(2), F_DUPFD_CLOEXEC.
  package borrowing func duplicate() throws(Errno) -> Descriptor {
    let number = rawValue
    return Descriptor(adopting: try Syscall.once { fcntl(number, F_DUPFD_CLOEXEC, 0) })
  }
}

/// A descriptor with several owners; closed with the last.
package final class SharedDescriptor: Sendable {
  /// The one descriptor; borrow it for the calls.
  package let descriptor: Descriptor
  package init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
  package var rawValue: CInt { descriptor.rawValue }
}
