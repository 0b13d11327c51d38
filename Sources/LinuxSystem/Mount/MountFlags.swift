internal import CLinux

/// Flags of mount(2) that belong to one mount.
package struct MountFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt
  package init(rawValue: UInt) { self.rawValue = rawValue }

  /// MS_RDONLY.
  package static let readOnly = MountFlags(rawValue: clinux_MS_RDONLY)
  /// MS_NOSUID: setuid and setgid bits and file capabilities of programs have no force.
  package static let noSetUserID = MountFlags(rawValue: clinux_MS_NOSUID)
  /// MS_NODEV: device nodes cannot be opened.
  package static let noDevices = MountFlags(rawValue: clinux_MS_NODEV)
  /// MS_NOEXEC: programs cannot be run.
  package static let noExecute = MountFlags(rawValue: clinux_MS_NOEXEC)
  /// MS_SYNCHRONOUS: every write is on the disk when it returns.
  package static let synchronous = MountFlags(rawValue: clinux_MS_SYNCHRONOUS)
  /// MS_NOATIME, MS_NODIRATIME, MS_RELATIME: when reading changes the access time.
  package static let noAccessTime = MountFlags(rawValue: clinux_MS_NOATIME)
  package static let noDirectoryAccessTime = MountFlags(rawValue: clinux_MS_NODIRATIME)
  package static let relativeAccessTime = MountFlags(rawValue: clinux_MS_RELATIME)

  /// What every mount and bind of this driver carries: setuid programs and device nodes of a volume have no force.
  package static let volume: MountFlags = [.noSetUserID, .noDevices]

  /// Reads the per-mount options of mountinfo (`ro,nosuid,…`); options without a flag of their own are left out.
  package init(options: String) {
    var flags: MountFlags = []
    for option in options.split(separator: ",") {
      switch option {
      case "ro": flags.insert(.readOnly)
      case "nosuid": flags.insert(.noSetUserID)
      case "nodev": flags.insert(.noDevices)
      case "noexec": flags.insert(.noExecute)
      case "sync": flags.insert(.synchronous)
      case "noatime": flags.insert(.noAccessTime)
      case "nodiratime": flags.insert(.noDirectoryAccessTime)
      case "relatime": flags.insert(.relativeAccessTime)
      default: break
      }
    }
    self = flags
  }
}

/// Flags of umount2(2).
package struct UnmountFlags: OptionSet, Sendable, Hashable {
  package let rawValue: CInt
  package init(rawValue: CInt) { self.rawValue = rawValue }

  /// Takes the mount out of the tree now; it ends when its last user does.
  package static let detach = UnmountFlags(rawValue: clinux_MNT_DETACH)
  /// Aborts requests in flight. On FUSE this aborts the connection for every mount of it: never for a shared one.
  package static let force = UnmountFlags(rawValue: clinux_MNT_FORCE)
  /// Does not follow a symbolic link at the end of the path.
  package static let noFollow = UnmountFlags(rawValue: clinux_UMOUNT_NOFOLLOW)
}

/// How mounts and unmounts below a mount spread to its copies. mount_namespaces(7).
package enum MountPropagation: Sendable {
  case shared
  case `private`
  case slave

  var flag: UInt {
    switch self {
    case .shared: clinux_MS_SHARED
    case .private: clinux_MS_PRIVATE
    case .slave: clinux_MS_SLAVE
    }
  }
}
