internal import CLinux
package import SystemPackage

/// Who the process is to the kernel. credentials(7).
package enum ProcessIdentity {
  /// Makes all threads of the process this user, for good: no capabilities, no group but those named, nothing to go back to.
  /// The kernel then takes the process for one that must not be dumped.
  /// - Parameters:
  ///   - uid: not 0.
  ///   - gid: not 0.
  ///   - group: a supplementary one, not 0; nil: none.
  /// - Throws: EINVAL for 0; EPERM without CAP_SETUID and CAP_SETGID; what has been changed by then stays so.
  package static func become(uid: UInt32, gid: UInt32, group: UInt32? = nil) throws(Errno) {
    guard uid != 0, gid != 0, group != 0 else { throw .invalidArgument }
    if let group {
      try Syscall.once { clinux_keep_group(group) }
    } else {
      try Syscall.once { clinux_drop_groups() }
    }
    try Syscall.once { clinux_setresgid(gid) }
    try Syscall.once { clinux_setresuid(uid) }
  }
}
