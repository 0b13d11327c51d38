/// The capability bits of `FUSE_INIT`, both words in one value (`flags` low, `flags2` high). Bits above 35 are newer than
/// Debian's `linux/fuse.h` 7.38, so all numbers stand here: they are kernel ABI and never change.
package struct FuseInitFlags: OptionSet, Sendable, Hashable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }
  private init(bit: UInt64) { rawValue = 1 << bit }

  /// The bits of `flags` and `flags2`, named as in linux/fuse.h; the table below says which are granted and why.
  package static let asyncRead = Self(bit: 0)
  package static let posixLocks = Self(bit: 1)
  package static let fileOps = Self(bit: 2)
  package static let atomicTruncate = Self(bit: 3)
  package static let exportSupport = Self(bit: 4)
  package static let bigWrites = Self(bit: 5)
  package static let doNotMask = Self(bit: 6)
  package static let spliceWrite = Self(bit: 7)
  package static let spliceMove = Self(bit: 8)
  package static let spliceRead = Self(bit: 9)
  package static let flockLocks = Self(bit: 10)
  package static let ioctlOnDirectories = Self(bit: 11)
  package static let autoInvalidateData = Self(bit: 12)
  package static let readdirPlus = Self(bit: 13)
  package static let readdirPlusAuto = Self(bit: 14)
  package static let asyncDirectIO = Self(bit: 15)
  package static let writebackCache = Self(bit: 16)
  package static let noOpenSupport = Self(bit: 17)
  package static let parallelDirectoryOperations = Self(bit: 18)
  package static let handleKillPrivileges = Self(bit: 19)
  package static let posixACL = Self(bit: 20)
  package static let abortError = Self(bit: 21)
  package static let maxPages = Self(bit: 22)
  package static let cacheSymlinks = Self(bit: 23)
  package static let noOpendirSupport = Self(bit: 24)
  package static let explicitInvalidateData = Self(bit: 25)
  package static let mapAlignment = Self(bit: 26)
  package static let submounts = Self(bit: 27)
  package static let handleKillPrivilegesV2 = Self(bit: 28)
  package static let setxattrExtension = Self(bit: 29)
  package static let initExtension = Self(bit: 30)
  package static let securityContext = Self(bit: 32)
  package static let inodeDAX = Self(bit: 33)
  package static let createSupplementaryGroup = Self(bit: 34)
  package static let expireOnly = Self(bit: 35)
  package static let directIOAllowMmap = Self(bit: 36)
  package static let passthrough = Self(bit: 37)
  package static let noExportSupport = Self(bit: 38)
  package static let hasResend = Self(bit: 39)
  package static let allowIDMap = Self(bit: 40)
  package static let overIOUring = Self(bit: 41)
  package static let requestTimeout = Self(bit: 42)
}

/// One row of the table of capabilities: what the mounter answers, and why. The answer is given once per mount and outlives
/// every worker, so a row may only change for mounts that are made afterwards.
package struct FuseInitDecision: Sendable, Hashable {
  /// What the mounter says to one capability.
  package enum Answer: Sendable, Hashable {
    /// Granted when the kernel offers it.
    case granted
    /// Granted when the kernel offers it and the mount asks for it.
    case onRequest
    case refused
  }

  /// The capability.
  package let flag: FuseInitFlags
  /// The kernel's name without `FUSE_`.
  package let name: String
  package let answer: Answer
  /// Why, in one sentence.
  package let reason: String

  private init(_ answer: Answer, _ flag: FuseInitFlags, _ name: String, _ reason: String) {
    self.flag = flag
    self.name = name
    self.answer = answer
    self.reason = reason
  }
}

extension FuseInitDecision {
  /// Every capability up to protocol 7.45, in the order of its bit. A bit that is not here is refused.
  package static let table: [FuseInitDecision] = [
    .init(.granted, .asyncRead, "ASYNC_READ", "read-ahead keeps several requests in flight"),
    .init(.refused, .posixLocks, "POSIX_LOCKS", "the kernel keeps fcntl locks itself, and they outlive the worker"),
    .init(.refused, .fileOps, "FILE_OPS", "a relic: every protocol since 7.2 carries file handles"),
    .init(.refused, .atomicTruncate, "ATOMIC_O_TRUNC", "truncation arrives as SETATTR, which can be replayed"),
    .init(.refused, .exportSupport, "EXPORT_SUPPORT", "needs lookups of . and .. by node; the mount is not exported"),
    .init(.granted, .bigWrites, "BIG_WRITES", "writes larger than a page; kernels since 4.20 take it as given"),
    .init(.granted, .doNotMask, "DONT_MASK", "the umask is applied where default ACLs are known, by the file system"),
    .init(.refused, .spliceWrite, "SPLICE_WRITE", "splice halves the throughput of plain copies"),
    .init(.refused, .spliceMove, "SPLICE_MOVE", "splice halves the throughput of plain copies"),
    .init(.refused, .spliceRead, "SPLICE_READ", "splice halves the throughput of plain copies"),
    .init(.refused, .flockLocks, "FLOCK_LOCKS", "the kernel keeps flock locks itself, and they outlive the worker"),
    .init(.refused, .ioctlOnDirectories, "HAS_IOCTL_DIR", "no ioctl is served; the kernel answers ENOTTY itself"),
    .init(.granted, .autoInvalidateData, "AUTO_INVAL_DATA", "files change beside the mount; a new mtime drops pages"),
    .init(.refused, .readdirPlus, "DO_READDIRPLUS", "every entry would cost a lookup and a node that is not wanted"),
    .init(.refused, .readdirPlusAuto, "READDIRPLUS_AUTO", "only with READDIRPLUS"),
    .init(.granted, .asyncDirectIO, "ASYNC_DIO", "direct I/O keeps several requests in flight"),
    .init(.refused, .writebackCache, "WRITEBACK_CACHE", "dirty pages would hide writes beside the mount, and sizes"),
    .init(.refused, .noOpenSupport, "NO_OPEN_SUPPORT", "opens are served: they check the file and drop stale pages"),
    .init(.granted, .parallelDirectoryOperations, "PARALLEL_DIROPS", "lookups and listings of one directory overlap"),
    .init(.refused, .handleKillPrivileges, "HANDLE_KILLPRIV", "V2 says when to clear, V1 leaves it to guessing"),
    .init(.granted, .posixACL, "POSIX_ACL", "the kernel judges ACL users rightly; needs default_permissions"),
    .init(.refused, .abortError, "ABORT_ERROR", "a worker ends after an abort as it does after an unmount"),
    .init(.granted, .maxPages, "MAX_PAGES", "requests of 1 MiB instead of 128 KiB"),
    .init(.refused, .cacheSymlinks, "CACHE_SYMLINKS", "a link replaced beside the mount would keep its old target"),
    .init(.refused, .noOpendirSupport, "NO_OPENDIR_SUPPORT", "opendir is served: a listing has a handle"),
    .init(.refused, .explicitInvalidateData, "EXPLICIT_INVAL_DATA", "excludes AUTO_INVAL_DATA"),
    .init(.refused, .mapAlignment, "MAP_ALIGNMENT", "only for DAX"),
    .init(.refused, .submounts, "SUBMOUNTS", "only virtiofs marks submounts"),
    .init(.granted, .handleKillPrivilegesV2, "HANDLE_KILLPRIV_V2", "a foreign write clears setuid and capabilities"),
    .init(.refused, .setxattrExtension, "SETXATTR_EXT", "libfuse before 3.17 reads the short form of SETXATTR"),
    .init(.granted, .initExtension, "INIT_EXT", "without it the second word of flags is ignored"),
    .init(.refused, .securityContext, "SECURITY_CTX", "labels at creation are not served"),
    .init(.refused, .inodeDAX, "HAS_INODE_DAX", "only for DAX"),
    .init(.refused, .createSupplementaryGroup, "CREATE_SUPP_GROUP", "groups are read from the caller's process"),
    .init(.refused, .expireOnly, "HAS_EXPIRE_ONLY", "an announcement of the kernel that takes no answer"),
    .init(.refused, .directIOAllowMmap, "DIRECT_IO_ALLOW_MMAP", "no file is opened with FOPEN_DIRECT_IO"),
    .init(.onRequest, .passthrough, "PASSTHROUGH", "the kernel reads the backing file itself (6.9 and later)"),
    .init(.refused, .noExportSupport, "NO_EXPORT_SUPPORT", "handles of cached inodes stay usable"),
    .init(.granted, .hasResend, "HAS_RESEND", "a new worker asks again for what the dead one had read"),
    .init(.granted, .allowIDMap, "ALLOW_IDMAP", "pods with user namespaces; only creations then name the caller"),
    .init(.refused, .overIOUring, "OVER_IO_URING", "libfuse 3.14 does not speak it"),
    .init(.refused, .requestTimeout, "REQUEST_TIMEOUT", "a worker may be away for long and the mount must live on"),
  ]

  /// The bits that a mount grants of those that the kernel offers.
  package static func grant(offered: FuseInitFlags, onRequest: FuseInitFlags = []) -> FuseInitFlags {
    var granted: FuseInitFlags = []
    for row in table {
      switch row.answer {
      case .granted: granted.insert(row.flag)
      case .onRequest where onRequest.contains(row.flag): granted.insert(row.flag)
      case .onRequest, .refused: break
      }
    }
    return granted.intersection(offered)
  }
}
