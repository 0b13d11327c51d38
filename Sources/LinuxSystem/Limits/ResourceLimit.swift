internal import CLinux
import Glibc
package import SystemPackage

/// Limits of this process. getrlimit(2).
package enum ResourceLimit {
  /// The number of open descriptors: what holds now, and how far it may be raised.
  package static func openFiles() throws(Errno) -> (current: UInt64, maximum: UInt64) {
    var limit = rlimit()
    try Syscall.once { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
    return (UInt64(limit.rlim_cur), UInt64(limit.rlim_max))
  }

  /// Raises the limit to `count`, or as far towards it as the maximum allows; never lowers it.
  /// - Returns: what holds now.
  @discardableResult
  package static func raiseOpenFiles(to count: UInt64) throws(Errno) -> UInt64 {
    let (current, maximum) = try openFiles()
    let wanted = min(count, maximum)
    guard wanted > current else { return current }
    try setOpenFiles(current: wanted, maximum: maximum)
    return wanted
  }

  /// Sets both; children inherit them.
  package static func setOpenFiles(current: UInt64, maximum: UInt64) throws(Errno) {
    var limit = rlimit(rlim_cur: rlim_t(current), rlim_max: rlim_t(maximum))
    try Syscall.once { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
  }
}

/// How soon the kernel ends a process when memory runs out. proc_pid_oom_score_adj(5).
package enum OutOfMemoryScore {
  /// - Parameters:
  ///   - adjustment: from -1000 (never) to 1000 (first). Lower than before only with CAP_SYS_RESOURCE.
  ///   - pid: nil: this process.
  package static func adjust(_ adjustment: Int, pid: Int32? = nil) throws(Errno) {
    try WholeFile.write("\(adjustment)", to: "/proc/\(pid.map(String.init) ?? "self")/oom_score_adj")
  }
}
