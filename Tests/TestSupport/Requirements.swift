import Glibc
import LinuxSystem
import SystemPackage
package import Testing

/// What a test needs of the machine. A test whose need is not met is reported as skipped, by its name and with the reason.
extension Trait where Self == ConditionTrait {
  /// Root with the right to mount.
  package static var requiresRoot: Self {
    .enabled("this test needs root with CAP_SYS_ADMIN") { Machine.isRoot }
  }

  /// Root and a working `/dev/fuse`.
  package static var requiresFuse: Self {
    .enabled("this test needs root with CAP_SYS_ADMIN and /dev/fuse") { Machine.isRoot && Machine.hasFuse }
  }

  /// A kernel that reads and writes files of FUSE mounts itself.
  package static var requiresPassthrough: Self {
    .enabled("this test needs Linux 6.9 or later") { Machine.hasPassthrough }
  }

  /// cgroups v2, whatever its controllers, where a cgroup can be made.
  package static var requiresUnifiedCgroups: Self {
    .enabled("this test needs root and a unified cgroup hierarchy that can be written") {
      Machine.isRoot && TestCgroup.root != nil
    }
  }

  /// A program on the PATH.
  package static func requiresProgram(_ name: String) -> Self {
    .enabled("this test needs the program \(name) on the PATH") { Machine.program(name) != nil }
  }
}

/// What the machine offers.
package enum Machine {
  /// Effective user 0 with CAP_SYS_ADMIN.
  package static let isRoot =
    geteuid() == 0 && ((try? Capabilities.effective())?.contains(.systemAdministration) ?? false)

  /// Whether a FUSE connection can be opened.
  package static let hasFuse: Bool = {
    do throws(Errno) {
      let device = try FuseDevice.open()
      try device.close()
      return true
    } catch {
      return false
    }
  }()

  /// FUSE passthrough: Linux 6.9.
  package static let hasPassthrough: Bool = {
    guard let release = try? WholeFile.text("/proc/sys/kernel/osrelease") else { return false }
    let numbers = release.split { !$0.isNumber }.prefix(2).compactMap { Int($0) }
    return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 9)
  }()

  /// The path of a program found on the PATH, or nil.
  package static func program(_ name: String) -> String? {
    let path = Environment["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }
}
