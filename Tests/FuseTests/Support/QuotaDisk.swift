import LinuxSystem
import SystemPackage
import TestSupport

/// A file system with a quota of the kernel's own. Which kinds there are depends on how the kernel was built.
enum QuotaDisk: String, CaseIterable, Sendable {
  /// A tmpfs with a limit for each user but root (Linux 6.6).
  case tmpfs
  /// A qgroup of btrfs, on a loop device. Takes `btrfs-progs`.
  case btrfs

  /// Bytes that fit.
  static let limit = 4 << 20

  /// Whether this machine can make one.
  static let offered = allCases.filter { kind in
    guard let folder = try? TemporaryDirectory("quota") else { return false }
    return (try? kind.mount(in: folder)) != nil
  }

  /// Makes one in the folder, which unmounts it at its end.
  /// - Returns: a directory that anybody may write to, and whose files the quota counts.
  func mount(in folder: TemporaryDirectory) throws -> String {
    let disk = try folder.makeDirectory("disk")
    switch self {
    case .tmpfs:
      try Mount.mount(
        source: "tmpfs", target: disk, type: "tmpfs", data: "mode=1777,usrquota,usrquota_block_hardlimit=\(Self.limit)")
      return disk
    case .btrfs:
      let result = try Program.shell(
        """
        set -e; cd '\(folder.path)'; truncate -s 128m image; mkfs.btrfs -q image; mount -o loop image disk
        btrfs quota enable disk; btrfs subvolume create disk/limited; btrfs qgroup limit \(Self.limit) disk/limited
        chmod 1777 disk/limited
        """)
      guard result.status == 0 else { throw Errno.notSupported }
      return "\(disk)/limited"
    }
  }
}
