internal import CLinux
import Glibc
package import SystemPackage

/// What a process tells the kernel about itself. prctl(2).
package enum ProcessAttributes {
  /// Names the calling thread, for ps and top; cut after 15 bytes.
  package static func setThreadName(_ name: String) { _ = clinux_prctl_set_name(name) }

  /// Whether core dumps may be made and other processes of the user may read this one's memory and /proc files.
  package static func setDumpable(_ dumpable: Bool) throws(Errno) {
    try Syscall.once { clinux_prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0) }
  }

  /// What ``setDumpable(_:)`` or a change of identity left.
  package static var isDumpable: Bool { clinux_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 }

  /// From now on exec gives neither the calling thread nor what it starts more rights. Cannot be undone.
  package static func setNoNewPrivileges() throws(Errno) {
    try Syscall.once { clinux_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
  }

  /// The signal that the process gets when the thread that started it ends; 0 for none. Forgotten at exec of setuid
  /// programs.
  package static func setParentDeathSignal(_ signal: CInt) throws(Errno) {
    try Syscall.once { clinux_prctl(PR_SET_PDEATHSIG, UInt(signal), 0, 0, 0) }
  }

  /// Orphans among this process's descendants become its children, as if it were PID 1.
  package static func setChildSubreaper(_ enabled: Bool) throws(Errno) {
    try Syscall.once { clinux_prctl(PR_SET_CHILD_SUBREAPER, enabled ? 1 : 0, 0, 0, 0) }
  }
}
