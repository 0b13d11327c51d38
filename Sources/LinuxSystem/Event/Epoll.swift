internal import CLinux
import Glibc
package import SystemPackage

/// What an `Epoll` waits for and reports. epoll_ctl(2).
package struct EpollEvents: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A read, or an accept, would not block.
  package static let readable = EpollEvents(rawValue: clinux_EPOLLIN)
  /// A write would not block.
  package static let writable = EpollEvents(rawValue: clinux_EPOLLOUT)
  /// mountinfo and other files of /proc report changes so.
  package static let priority = EpollEvents(rawValue: clinux_EPOLLPRI)
  /// Reported without being asked for.
  package static let error = EpollEvents(rawValue: clinux_EPOLLERR)
  /// Reported without being asked for: the other side has closed.
  package static let hangUp = EpollEvents(rawValue: clinux_EPOLLHUP)
  package static let readHangUp = EpollEvents(rawValue: clinux_EPOLLRDHUP)
  /// Reports once and then waits for `modify`.
  package static let oneShot = EpollEvents(rawValue: clinux_EPOLLONESHOT)
  package static let edgeTriggered = EpollEvents(rawValue: clinux_EPOLLET)
}

/// Waits for many descriptors at once. epoll(7).
package final class Epoll: Sendable {
  /// One report: the token that the descriptor was added with, and what it is ready for.
  package struct Event: Sendable, Hashable {
    /// As given to `add` or `modify`.
    package var token: UInt64
    package var events: EpollEvents

    package init(token: UInt64, events: EpollEvents) {
      self.token = token
      self.events = events
    }
  }

  /// The epoll instance, itself readable when something is ready.
  package let descriptor: Descriptor

  package init() throws(Errno) {
    descriptor = Descriptor(adopting: try Syscall.once { epoll_create1(clinux_EPOLL_CLOEXEC) })
  }

  /// Starts to watch `fd`, which the caller keeps open. Remove it before closing it when copies of it are open elsewhere.
  package func add(_ fd: CInt, token: UInt64, events: EpollEvents = .readable) throws(Errno) {
    try control(EPOLL_CTL_ADD, fd, events, token)
  }

  /// Changes what an added descriptor is watched for; also arms a one-shot again.
  package func modify(_ fd: CInt, token: UInt64, events: EpollEvents) throws(Errno) {
    try control(EPOLL_CTL_MOD, fd, events, token)
  }

  /// Stops to watch a descriptor.
  /// - Throws: ENOENT when it was not added.
  package func remove(_ fd: CInt) throws(Errno) {
    try control(EPOLL_CTL_DEL, fd, [], 0)
  }

  /// Waits until something is ready, at most `milliseconds`; -1 waits for ever. Empty after that time, or after a signal.
  package func wait(maximum: Int = 64, milliseconds: CInt = -1) throws(Errno) -> [Event] {
    let number = descriptor.rawValue
    var raw = [epoll_event](repeating: epoll_event(), count: maximum)
    let count: CInt
    do throws(Errno) {
      count = try Syscall.once { epoll_wait(number, &raw, CInt(maximum), milliseconds) }
    } catch .interrupted {
      return []
    }
    return raw[..<Int(count)].map { event in
      withUnsafePointer(to: event) {
        Event(token: clinux_epoll_token($0), events: EpollEvents(rawValue: clinux_epoll_events($0)))
      }
    }
  }

  private func control(_ operation: CInt, _ fd: CInt, _ events: EpollEvents, _ token: UInt64) throws(Errno) {
    let number = descriptor.rawValue
    try Syscall.once { clinux_epoll_ctl(number, operation, fd, events.rawValue, token) }
  }
}
