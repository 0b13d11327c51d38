package import LinuxSystem
internal import SystemPackage

/// Whether workers can have cgroups, without which `memoryLimit` is not enforced. Makes one for a moment.
package struct CgroupCheck: NodeCheck {
  package let name = "cgroups"
  /// Nil: that of this process.
  let cgroup: MemoryCgroup?

  package init(_ cgroup: MemoryCgroup? = nil) { self.cgroup = cgroup }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look() }
  }

  private func parent() throws(Errno) -> MemoryCgroup? {
    if let cgroup { return cgroup }
    return try MemoryCgroup.own()
  }

  private func look() -> [Finding] {
    do throws(Errno) {
      guard let own = try parent() else {
        return [
          warning(
            "memoryLimit of volumes is not enforced, as no hierarchy with a memory controller is mounted",
            fix: "mount cgroup2 at /sys/fs/cgroup, and let the kernel have its memory controller")
        ]
      }
      let probe = own.child("alluxio-doctor-\(ProcessUser.pid)")
      try probe.make()
      try probe.remove()
      return [ok("cgroups with a memory controller can be made (\(own.version == .v2 ? "v2" : "v1"))")]
    } catch {
      return [
        warning(
          "memoryLimit of volumes is not enforced, as no cgroup can be made (\(error))",
          fix: "let the mounter's container be privileged, with /sys/fs/cgroup mounted to be written")
      ]
    }
  }
}
