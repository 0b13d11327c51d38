internal import CLinux
package import SystemPackage

/// What a process may ask of the kernel. seccomp(2).
package enum SystemCallFilter {
  /// Takes from this thread, and from all that it starts, what a server of files never needs: starting programs, mounting,
  /// tracing, kernel modules, clocks, network sockets. Such a call then fails with EPERM. Cannot be undone.
  /// - Throws: EACCES without `ProcessAttributes.setNoNewPrivileges()`, ENOSYS or EINVAL where the kernel has no filters.
  package static func denyAllButServingFiles() throws(Errno) { try Syscall.once { clinux_deny_system_calls() } }
}
