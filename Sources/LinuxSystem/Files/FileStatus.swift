internal import CLinux
import Glibc

/// What stat(2) says of a file, in types that need no C module. Times are nanoseconds since the epoch.
package struct FileStatus: Sendable, Hashable {
  /// As in stat(2).
  package var device: UInt64
  package var inode: UInt64
  package var mode: UInt32
  package var linkCount: UInt32
  package var uid: UInt32
  package var gid: UInt32
  /// Device number of a device node.
  package var specialDevice: UInt64
  package var size: Int64
  package var blockSize: Int32
  /// In units of 512 bytes.
  package var blocks: Int64
  package var accessTime: Int64
  package var modificationTime: Int64
  package var changeTime: Int64

  init(_ status: stat) {
    device = UInt64(status.st_dev)
    inode = UInt64(status.st_ino)
    mode = status.st_mode
    linkCount = UInt32(truncatingIfNeeded: status.st_nlink)
    uid = status.st_uid
    gid = status.st_gid
    specialDevice = UInt64(status.st_rdev)
    size = Int64(status.st_size)
    blockSize = Int32(truncatingIfNeeded: status.st_blksize)
    blocks = Int64(status.st_blocks)
    accessTime = status.st_atim.nanoseconds
    modificationTime = status.st_mtim.nanoseconds
    changeTime = status.st_ctim.nanoseconds
  }

  /// The type bits, S_IFMT.
  package var type: UInt32 { mode & S_IFMT }
}

extension timespec {
  /// Since the epoch; times that 64 bits cannot hold (beyond the years 1677 to 2262) become the nearest that they can.
  var nanoseconds: Int64 {
    let (product, over) = Int64(tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    return over ? (tv_sec < 0 ? .min : .max) : product &+ Int64(tv_nsec)
  }

  init(nanoseconds: Int64) {
    let (seconds, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    self =
      rest < 0
      ? timespec(tv_sec: Int(seconds) - 1, tv_nsec: Int(rest) + 1_000_000_000)
      : timespec(tv_sec: Int(seconds), tv_nsec: Int(rest))
  }
}

/// Device, inode number and, in nanoseconds since the epoch, time of birth: an inode number that is used again has another
/// birth, where the file system keeps it (0 otherwise).
package struct FileBirth: Sendable, Hashable {
  package var device: UInt64
  package var inode: UInt64
  package var nanoseconds: Int64
}

/// A time to be set by utimensat(2).
package enum FileTime: Sendable, Hashable {
  case unchanged
  case now
  /// Nanoseconds since the epoch.
  case at(Int64)

  // UTIME_NOW and UTIME_OMIT of linux/stat.h are macros with casts that Swift does not import.
  var timespec: Glibc.timespec {
    switch self {
    case .unchanged: Glibc.timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)
    case .now: Glibc.timespec(tv_sec: 0, tv_nsec: (1 << 30) - 1)
    case .at(let nanoseconds): Glibc.timespec(nanoseconds: nanoseconds)
    }
  }
}

/// What statvfs(3) says of a file system; block counts are in units of `fragmentSize` bytes.
package struct FileSystemStatus: Sendable, Hashable {
  /// As in statvfs(3): sizes in bytes, blocks in units of `fragmentSize`.
  package var blockSize: UInt64
  package var fragmentSize: UInt64
  package var blocks: UInt64
  package var freeBlocks: UInt64
  package var availableBlocks: UInt64
  package var files: UInt64
  package var freeFiles: UInt64
  package var maximumNameLength: UInt64
  /// Mounted with ST_RDONLY.
  package var readOnly: Bool
}
