import Glibc
import LinuxSystem
package import SystemPackage

extension PidFD {
  /// SIGSTOP, and back when every thread has stopped: a signal is only on its way when the call that sends it returns, and
  /// a busy machine lets threads work on for a while.
  /// - Throws: `timedOut` after ten seconds.
  package func stopAllThreads(pid: Int32) throws(Errno) {
    try signal(SIGSTOP)
    let limit = Deadline.after(.patient)
    while try !Self.isStopped(pid) {
      guard !limit.hasPassed else { throw .timedOut }
      // Only a parent is told of stops, and this process need not be it.
      sched_yield()
    }
  }

  private static func isStopped(_ pid: Int32) throws(Errno) -> Bool {
    for name in try DirectoryNames.list("/proc/\(pid)/task") {
      // A thread that has ended meanwhile serves nobody.
      guard let thread = Int32(name), let status = try? ProcessStatus(pid: pid, thread: thread) else { continue }
      if status.state != "T" { return false }
    }
    return true
  }
}
