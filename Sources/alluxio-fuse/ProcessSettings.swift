import Glibc
import LinuxSystem
import SystemPackage

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

  /// What serving files of many owners needs: to act as each of them, and past permission bits where the kernel has checked
  /// them already. Not among them: CAP_SYS_ADMIN, so that attributes in trusted.* and those of security modules cannot be
  /// set; CAP_LINUX_IMMUTABLE, CAP_SYS_RESOURCE, and whatever is not about files.
  private static let needed: Capabilities = [
    .changeOwner, .dacOverride, .dacReadSearch, .fileOwner, .fileSetID, .setGroupID, .setUserID, .makeNodes,
    .setFileCapabilities,
  ]

  /// Gives up for good what no worker needs, before it knows its volume and has threads. It can give up more, and must: it can
  /// still take capabilities out of its bounding set.
  /// - Returns: what could not be given up, for the log.
  static func confine() -> [String] {
    attempt([
      ("no_new_privs", { () throws(Errno) in try ProcessAttributes.setNoNewPrivileges() }),
      ("capabilities", { () throws(Errno) in try Capabilities.keepOnly(needed.union(.setProcessCapabilities)) }),
      ("seccomp", { () throws(Errno) in try SystemCallFilter.denyAllButServing() }),
    ])
  }

  /// And what a worker for a directory of the node does not need.
  static func confineToDirectory() -> [String] {
    attempt([
      ("capabilities", { () throws(Errno) in try Capabilities.keepOnly(needed) }),
      ("seccomp, sockets", { () throws(Errno) in try SystemCallFilter.denySockets() }),
    ])
  }

  /// Takes all steps, and names those that failed.
  static func attempt(_ steps: [(name: String, step: () throws(Errno) -> Void)]) -> [String] {
    var failures: [String] = []
    for (name, step) in steps {
      do throws(Errno) { try step() } catch { failures.append("\(name): \(error)") }
    }
    return failures
  }
}
