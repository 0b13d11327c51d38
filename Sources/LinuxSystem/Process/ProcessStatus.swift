internal import CLinux
import Glibc
package import SystemPackage

/// What `/proc/PID/status` tells of a process or thread. proc_pid_status(5).
package struct ProcessStatus: Sendable, Hashable {
  /// At most 15 bytes, chosen by the process itself.
  package var name: String
  /// `R`, `S`, `D` (cannot be killed now), `Z` (ended, not yet waited for), `T` (stopped), …
  package var state: Character
  package var parent: Int32
  package var threads: Int
  package var effectiveUserID: UInt32
  package var effectiveGroupID: UInt32
  /// fsuid and fsgid, by which files are judged.
  package var fileUserID: UInt32
  package var fileGroupID: UInt32
  /// Supplementary groups, in the kernel's order.
  package var groups: [UInt32]
  /// Resident memory in bytes, and its part that is not backed by files. 0 for a zombie.
  package var residentBytes: UInt64
  package var anonymousBytes: UInt64
  /// What the process may in its own user namespace.
  package var effectiveCapabilities: Capabilities

  /// - Parameters:
  ///   - pid: nil: this process.
  ///   - thread: a thread of the process; nil: its first.
  /// - Throws: ENOENT or ESRCH when there is no such process.
  package init(pid: Int32? = nil, thread: Int32? = nil) throws(Errno) {
    let process = "/proc/\(pid.map(String.init) ?? "self")"
    let path = thread.map { "\(process)/task/\($0)/status" } ?? "\(process)/status"
    guard let status = Self(parsing: try WholeFile.text(path)) else { throw Errno.noSuchProcess }
    self = status
  }

  /// Parses the text of a status file; nil without its necessary lines.
  package init?(parsing text: String) {
    var fields: [Substring: Substring] = [:]
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon]] = line[line.index(after: colon)...].drop { $0 == "\t" || $0 == " " }
    }
    func numbers(_ key: Substring) -> [UInt64] {
      (fields[key] ?? "").split { $0 == "\t" || $0 == " " }.compactMap { UInt64($0) }
    }
    // Real, effective, saved and file system ids.
    let (users, groups) = (numbers("Uid"), numbers("Gid"))
    guard let name = fields["Name"], let state = fields["State"]?.first, let parent = numbers("PPid").first,
      users.count == 4, groups.count == 4
    else { return nil }
    self.name = String(name)
    self.state = state
    self.parent = Int32(truncatingIfNeeded: parent)
    threads = Int(numbers("Threads").first ?? 1)
    effectiveUserID = UInt32(truncatingIfNeeded: users[1])
    effectiveGroupID = UInt32(truncatingIfNeeded: groups[1])
    fileUserID = UInt32(truncatingIfNeeded: users[3])
    fileGroupID = UInt32(truncatingIfNeeded: groups[3])
    self.groups = numbers("Groups").map { UInt32(truncatingIfNeeded: $0) }
    residentBytes = (numbers("VmRSS").first ?? 0) * 1024
    anonymousBytes = (numbers("RssAnon").first ?? 0) * 1024
    effectiveCapabilities = Capabilities(rawValue: UInt64(fields["CapEff"] ?? "", radix: 16) ?? 0)
  }
}

extension ProcessStatus {
  /// Whether a process lives in this one's user namespace, so that its capabilities count here; false when it is gone.
  package static func sharesUserNamespace(_ pid: Int32) -> Bool {
    guard pid > 0, let other = userNamespace("\(pid)"), let own = userNamespace("self") else { return false }
    return other.inode == own.inode && other.device == own.device
  }

  private static func userNamespace(_ process: String) -> FileStatus? {
    try? Descriptor.open("/proc/\(process)/ns/user", O_RDONLY).status()
  }
}

/// All processes that this one can see.
package enum ProcessTable {
  /// Process ids in rising order; some may have ended meanwhile.
  package static func pids() throws(Errno) -> [Int32] {
    try DirectoryNames.list("/proc").compactMap { Int32($0) }.sorted()
  }

  /// Children of `parent` (nil: of this process) that run or were not waited for.
  package static func children(of parent: Int32? = nil) throws(Errno) -> [Int32] {
    let parent = parent ?? getpid()
    return try pids().filter { (try? ProcessStatus(pid: $0))?.parent == parent }
  }
}
