import Glibc
import LinuxSystem

/// What the process needs before it serves.
enum ProcessSettings {
  static func apply() {
    // Modes arrive as they are meant: the file system applies the caller's umask, where no default ACL replaces it.
    umask(0)
    SignalMask.ignoreBrokenPipes()
    Heap.limitArenas(to: 1)
    // It would let every pod write beyond quotas and into the blocks that are reserved for root.
    if let held = try? Capabilities.effective(), held.contains(.systemResource) {
      try? Capabilities.setEffective(held.subtracting(.systemResource))
    }
    // Open files of applications are open here too. Never fails for lack of rights: the hard limit may be reached by anybody.
    if let limit = try? ResourceLimit.openFiles() { _ = try? ResourceLimit.raiseOpenFiles(to: limit.maximum) }
  }
}
