internal import CLinux
import Glibc
package import SystemPackage

/// How many descriptors this process may have. getrlimit(2), RLIMIT_NOFILE.
package enum DescriptorLimit {
  /// The soft limit.
  package static func current() throws(Errno) -> Int {
    var limit = rlimit()
    try Syscall.once { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
    return Int(clamping: limit.rlim_cur)
  }

  /// Raises or lowers the soft limit within the hard one.
  package static func set(_ count: Int) throws(Errno) {
    var limit = rlimit()
    try Syscall.once { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
    limit.rlim_cur = rlim_t(count)
    try Syscall.once { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
  }
}
