internal import CLinux
package import SystemPackage

/// What a process may ask of the kernel. seccomp(2).
///
/// Each takes something from this thread, and from all that it starts, for good: such a call then fails with EPERM. They add
/// up. All throw EACCES without `ProcessAttributes.setNoNewPrivileges()`, and ENOSYS or EINVAL where the kernel has no filters.
package enum SystemCallFilter {
  /// What no worker needs: starting programs, mounting, tracing, kernel modules, clocks.
  package static func denyAllButServing() throws(Errno) { try Syscall.once { clinux_deny_system_calls() } }

  /// The network, of which a worker for directories of the node needs nothing.
  package static func denySockets() throws(Errno) { try Syscall.once { clinux_deny_sockets() } }

  /// What a worker that fetches from an object store does not need either: serving by network, other identities, files that
  /// are not its own.
  package static func denyAllButFetching() throws(Errno) { try Syscall.once { clinux_deny_all_but_fetching() } }
}
