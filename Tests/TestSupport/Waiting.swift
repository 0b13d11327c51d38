internal import CLinux
import Glibc
package import LinuxSystem
package import SystemPackage

/// Waiting for events: a descriptor, the end of a process, a change of a file. Never for time; the limit only ends a
/// test that would hang.
package enum Waiting {
  /// After this a test has failed, in milliseconds; generous, as machines of a CI are slow.
  package static let limit: CInt = 180_000

  /// Until a read of the descriptor would not block.
  /// - Throws: ETIMEDOUT at the limit.
  package static func untilReadable(_ descriptor: borrowing Descriptor) throws(Errno) {
    guard try descriptor.isReadable(within: limit) else { throw Errno.timedOut }
  }

  /// Until the process has ended; reaps it when it is a child.
  package static func untilEnded(_ process: PidFD) throws(Errno) -> ProcessExit? {
    guard try process.hasEnded(within: limit) else { throw Errno.timedOut }
    do throws(Errno) {
      return try process.waitIfEnded()
    } catch .noChildProcess {
      return nil
    }
  }

  /// Until the mount table satisfies `condition`: the kernel reports every change of mountinfo.
  package static func untilMounts(_ condition: (MountTable) -> Bool) throws(Errno) {
    let file = try Descriptor.open("/proc/thread-self/mountinfo", O_RDONLY)
    while !condition(try MountTable.read()) {
      var change = pollfd(fd: file.rawValue, events: Int16(POLLPRI), revents: 0)
      if try Syscall.retrying({ poll(&change, 1, limit) }) == 0 { throw Errno.timedOut }
    }
  }

  /// Until `condition` holds, asked again after every change in the folder: a name made, removed, renamed or written.
  package static func untilFolder(_ folder: String, _ condition: () -> Bool) throws(Errno) {
    let watch = Descriptor(adopting: try Syscall.once { inotify_init1(CInt(IN_CLOEXEC)) })
    let number = watch.rawValue
    let events = UInt32(IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB)
    try Syscall.once { inotify_add_watch(number, folder, events) }
    while !condition() {
      try untilReadable(watch)
      _ = try watch.read(upTo: 4096)
    }
  }

  /// Until the kernel has a request that nobody has answered; what it tells of that has no event.
  package static func untilAsked(_ connection: FuseConnection) throws(Errno) {
    let end = Deadline.after(.patient)
    while try connection.waiting() == 0 {
      guard !end.hasPassed else { throw .timedOut }
      sched_yield()
    }
  }

  /// Until `path` exists.
  package static func untilExists(_ path: String) throws(Errno) {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    try untilFolder(folder.isEmpty ? "/" : folder) { access(path, F_OK) == 0 }
  }
}

extension Duration {
  /// What a call gets whose deadline is no part of the test: longer than anything takes on a machine that does much else.
  package static var patient: Duration { .milliseconds(Waiting.limit) }
}
