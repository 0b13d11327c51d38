internal import CLinux
import Glibc
package import SystemPackage

/// The files that a process can reach at all, whatever its rights. landlock(7), from Linux 5.13 on.
///
/// Descriptors that are open stay as they are, but what is opened relative to one counts like everything else.
package struct FileRestriction: Sendable {
  /// May be read: files and directories with all beneath them. What is not there is left out.
  package var readable: [String] = []
  /// Directories, by open descriptor, beneath which files and directories may be made, read, written and removed.
  package var writable: [CInt] = []

  package init() {}

  /// Holds for the calling thread and whatever it starts, for good. From Linux 6.7 on nothing can listen for TCP either.
  /// - Throws: ENOSYS or EOPNOTSUPP where the kernel has no Landlock; EPERM without `ProcessAttributes.setNoNewPrivileges()`.
  package func apply() throws(Errno) {
    let version = Int(try Syscall.once { clinux_landlock_version() })
    let handled = Access.all(version)
    var ruleset = clinux_landlock_ruleset(
      handled_access_fs: handled.rawValue, handled_access_net: version >= 4 ? Self.bindTCP : 0,
      scoped: version >= 6 ? Self.scopes : 0)
    // Each version knows one more field.
    let size = version >= 6 ? 24 : version >= 4 ? 16 : 8
    let rules = Descriptor(adopting: try Syscall.once { clinux_landlock_create(&ruleset, size) })
    for path in readable {
      let file: Descriptor
      do throws(Errno) { file = try Descriptor.open(path, Self.pathOnly) } catch .noSuchFileOrDirectory {
        continue
      }
      let isDirectory = try file.status().mode & 0o170000 == 0o040000
      try Self.allow(isDirectory ? [.readFile, .readDirectory] : .readFile, beneath: file.rawValue, in: rules)
    }
    for folder in writable { try Self.allow(handled.intersection(.keepingFiles), beneath: folder, in: rules) }
    let number = rules.rawValue
    try Syscall.once { clinux_landlock_restrict_self(number) }
  }

  private static func allow(_ access: Access, beneath folder: CInt, in rules: borrowing Descriptor) throws(Errno) {
    var path = clinux_landlock_path(allowed_access: access.rawValue, parent_fd: folder)
    let number = rules.rawValue
    try Syscall.once { clinux_landlock_add_path(number, &path) }
  }

  /// LANDLOCK_ACCESS_NET_BIND_TCP.
  private static let bindTCP: UInt64 = 1
  /// LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL.
  private static let scopes: UInt64 = 3
  /// O_PATH | O_CLOEXEC, which follows symbolic links.
  private static let pathOnly = CInt(0o10000000) | O_CLOEXEC

  /// LANDLOCK_ACCESS_FS_*.
  private struct Access: OptionSet {
    let rawValue: UInt64
    static let writeFile = Access(rawValue: 1 << 1)
    static let readFile = Access(rawValue: 1 << 2)
    static let readDirectory = Access(rawValue: 1 << 3)
    static let removeDirectory = Access(rawValue: 1 << 4)
    static let removeFile = Access(rawValue: 1 << 5)
    static let makeDirectory = Access(rawValue: 1 << 7)
    static let makeRegular = Access(rawValue: 1 << 8)
    /// Moving between directories, and truncation.
    static let refer = Access(rawValue: 1 << 13)
    static let truncate = Access(rawValue: 1 << 14)

    /// A folder of ordinary files, no links, devices or sockets.
    static let keepingFiles: Access = [
      .writeFile, .readFile, .readDirectory, .removeDirectory, .removeFile, .makeDirectory, .makeRegular, .refer,
      .truncate,
    ]

    /// All that this version of Landlock can refuse.
    static func all(_ version: Int) -> Access {
      let bits = version >= 5 ? 16 : version >= 3 ? 15 : version >= 2 ? 14 : 13
      return Access(rawValue: (1 << UInt64(bits)) - 1)
    }
  }
}
