package import LinuxSystem
internal import SystemPackage

/// Whether this process can mount FUSE file systems, and what the kernel offers them. Mounts one for a moment.
package struct FuseCheck: NodeCheck {
  package let name = "kernel"
  /// An existing folder that can be written, in which the mount point is made.
  let folder: String
  /// Capabilities that count as not offered, as by an older kernel.
  let withheld: FuseInitFlags

  package init(folder: String, withheld: FuseInitFlags = []) {
    self.folder = folder
    self.withheld = withheld
  }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look() }
  }

  private func look() -> [Finding] {
    let release = (try? WholeFile.text("/proc/sys/kernel/osrelease"))?.prefix { $0 != "\n" } ?? "of an unknown version"
    let point: String
    do throws(Errno) {
      point = "\(try Descriptor.reach(folder).path())/doctor-\(ProcessUser.pid)"
      try Folder.make(point)
    } catch {
      return [
        failure(
          "a mount point cannot be made in \(folder) (\(error))", fix: "run this as root, in the plugin's container")
      ]
    }
    defer { try? Folder.removeEmpty(point) }
    do throws(FuseMount.Failure) {
      let mount = try FuseMount.mount(at: point)
      try? Mount.unmount(point, flags: [.detach, .noFollow])
      let offered = mount.request.flags.subtracting(withheld)
      let said = "Linux \(release) mounts FUSE file systems (protocol \(mount.request.major).\(mount.request.minor))"
      return [ok(said)] + [recovery(offered), passthrough(offered)].compactMap { $0 }
    } catch {
      return [problem(error, release)]
    }
  }

  private func recovery(_ offered: FuseInitFlags) -> Finding? {
    guard !offered.contains(.hasResend) else { return nil }
    return warning(
      "requests under way are lost with a FUSE process that dies, as this kernel does not send them again",
      fix: "use Linux 6.9 or later")
  }

  private func passthrough(_ offered: FuseInitFlags) -> Finding? {
    guard !offered.contains(.passthrough) else { return nil }
    return warning(
      "larger files of file:// volumes are slower, as this kernel does not read and write them itself (passthrough)",
      fix: "use Linux 6.9 or later")
  }

  private func problem(_ failure: FuseMount.Failure, _ release: Substring) -> Finding {
    switch (failure.step, failure.error) {
    case (.openingDevice, .noSuchFileOrDirectory):
      return self.failure(
        "there is no /dev/fuse", fix: "load the kernel's module (modprobe fuse), and give the container the device")
    case (.openingDevice, let error):
      return self.failure(
        "/dev/fuse cannot be opened (\(error))", fix: "run this as root, in the plugin's container, which is privileged"
      )
    case (.mounting, let error):
      return self.failure(
        "mount(2) is refused (\(error))", fix: "run this as root, in the plugin's container, which is privileged")
    default:
      return self.failure(
        "Linux \(release) speaks no FUSE protocol that is understood (\(failure.error))", fix: "use Linux 5.4 or later")
    }
  }
}
