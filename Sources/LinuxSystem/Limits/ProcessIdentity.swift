internal import CLinux
package import SystemPackage

/// Who the process is to the kernel. credentials(7).
package enum ProcessIdentity {
  /// Makes all threads of the process this user, for good: no supplementary groups, no capabilities, nothing to go back to.
  /// The kernel then takes the process for one that must not be dumped.
  /// - Parameters:
  ///   - uid: not 0.
  ///   - gid: not 0.
  /// - Throws: EINVAL for 0; EPERM without CAP_SETUID and CAP_SETGID; what has been changed by then stays so.
  package static func become(uid: UInt32, gid: UInt32) throws(Errno) {
    guard uid != 0, gid != 0 else { throw .invalidArgument }
    try Syscall.once { clinux_drop_groups() }
    try Syscall.once { clinux_setresgid(gid) }
    try Syscall.once { clinux_setresuid(uid) }
  }
}
