internal import CLinux
import Glibc
package import SystemPackage

/// The file system credentials of the calling thread: fsuid, fsgid, supplementary groups and umask. glibc's functions change
/// all threads of a process; these change one. A non-zero fsuid also takes the thread's power to override permissions.
package enum ThreadCredentials {
  /// The process's own user and group, which no call here changes: asked for once.
  private static let own = (uid: geteuid(), gid: getegid())

  /// Groups that the process had when they were first asked for.
  private static let processGroups: [UInt32] = {
    var groups = [UInt32](repeating: 0, count: 65_536)
    let count = Int(clinux_thread_getgroups(CInt(groups.count), &groups))
    return Array(groups.prefix(max(count, 0)))
  }()

  /// Drops the supplementary groups of the whole process: a worker calls it before it has threads, and is then spared two
  /// system calls in each `perform`.
  package static func dropProcessGroups() { _ = clinux_thread_setgroups(0, nil) }

  /// Runs `body` with these credentials and puts back the process's own, whatever happens.
  /// - Parameters:
  ///   - groups: supplementary groups; none when empty.
  ///   - umask: set for this thread from now on (every use sets its own).
  /// - Throws: EPERM when the process may not switch; else what `body` throws.
  package static func perform<R: ~Copyable>(
    uid: UInt32, gid: UInt32, groups: [UInt32] = [], umask: UInt32? = nil, _ body: () throws(Errno) -> R
  ) throws(Errno) -> R {
    if let umask, clinux_thread_umask(umask) < 0 { throw Errno(rawValue: errno) }
    let own = Self.own
    if uid == own.uid, gid == own.gid, groups.isEmpty { return try body() }
    let changesGroups = groups != processGroups
    if changesGroups, clinux_thread_setgroups(groups.count, groups) < 0 { throw Errno(rawValue: errno) }
    _ = clinux_thread_setfsgid(gid)
    _ = clinux_thread_setfsuid(uid)
    defer {
      _ = clinux_thread_setfsuid(own.uid)
      _ = clinux_thread_setfsgid(own.gid)
      if changesGroups { _ = clinux_thread_setgroups(processGroups.count, processGroups) }
    }
    // setfsuid reports no failure: asking with an impossible id tells what holds now.
    guard clinux_thread_setfsuid(.max) == uid, clinux_thread_setfsgid(.max) == gid else { throw .notPermitted }
    return try body()
  }

  /// Supplementary groups of a process as this one's /proc shows them; nil when it is gone or not visible.
  package static func groups(ofProcess pid: Int32) -> [UInt32]? {
    guard pid > 0, let file = try? Descriptor.open("/proc/\(pid)/status", O_RDONLY),
      let text = try? file.read(upTo: 16_384)
    else { return nil }
    return parseGroups(text)
  }

  /// The numbers of the `Groups:` line of proc_pid_status(5).
  static func parseGroups(_ text: [UInt8]) -> [UInt32]? {
    let key = Array("Groups:".utf8)
    for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: key) {
      return line.dropFirst(key.count).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        .compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
    }
    return nil
  }
}
