import Glibc
import LinuxSystem
import Synchronization
import SystemPackage

enum Clock {
  /// Nanoseconds since the epoch, a few milliseconds old at most.
  static func now() -> Int64 { WallClock.coarseNanoseconds }
}

/// Combinations of open(2) flags that Local uses.
enum OpenFlags {
  // O_PATH (0o10000000) is visible to C only under _GNU_SOURCE, which Swift's Glibc module is built without.
  static let path: CInt = 0o10000000 | O_NOFOLLOW
  // As O_PATH; its number is the processor's.
  static var direct: CInt { Descriptor.directIOFlag }
  static let noFollow: CInt = O_NOFOLLOW
  static let directory: CInt = O_RDONLY | O_DIRECTORY | O_NOFOLLOW
  static let read: CInt = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
  static let newFile: CInt = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
  static let readWrite: CInt = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
}

/// What all nodes of one local UFS share.
final class LocalVolume: Sendable {
  /// Any directory of the file system, for opening handles.
  let root: Descriptor
  /// Handles are only taken from files reached by this mount: others would be opened on the wrong file system.
  let mountID: Int32
  let usesHandles: Bool
  /// Whether it is one of the usual file systems on local disks and in memory. They judge nobody but the opener's
  /// permissions, and lie on no other file system.
  let lendsFiles: Bool
  /// EXT4, XFS, btrfs, F2FS, tmpfs, as statfs(2) numbers them.
  private static let lending: Set<UInt64> = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0x0102_1994]
  /// Whether O_TMPFILE works here; turned off by the first refusal.
  let hasUnnamedFiles = Atomic(true)
  /// The worker's own user: nobody needs to become it.
  let workerUID = geteuid()
  let workerGID = getegid()

  init(root: consuming Descriptor, useHandles: Bool) {
    // Both directions must work: overlayfs may give handles that it does not open, and opening them needs a capability.
    var mount: Int32?
    if useHandles, let own = try? root.fileHandle(), (try? root.open(own.handle, OpenFlags.path).close()) != nil {
      mount = own.mountID
    }
    usesHandles = mount != nil
    mountID = mount ?? -1
    lendsFiles = mount != nil && ((try? root.fileSystemType()).map(Self.lending.contains) ?? false)
    self.root = root
  }

  /// The identity of an open file; nil where it has none that could be opened again.
  func identity(of descriptor: borrowing Descriptor) throws(Errno) -> NodeIdentity? {
    guard usesHandles else { return nil }
    let (handle, mount) = try descriptor.fileHandle()
    guard mount == mountID else { return nil }
    return NodeIdentity(kind: handle.type, length: handle.length, words: handle.words)
  }

  /// What tells the child `name` of `directory`, or with nothing but a NUL itself, from every other file.
  func fingerprint(of name: [UInt8], in directory: borrowing Descriptor) throws(Errno) -> NodeIdentity {
    if usesHandles {
      do throws(Errno) {
        let (handle, mount) = try directory.fileHandle(name: name)
        if mount == mountID { return NodeIdentity(kind: handle.type, length: handle.length, words: handle.words) }
      } catch {
        if error == .noSuchFileOrDirectory { throw error }
      }
    }
    let birth = try directory.birth(name: name)
    var words = InlineArray<16, UInt64>(repeating: 0)
    words[0] = birth.inode
    words[1] = birth.device
    words[2] = UInt64(bitPattern: birth.nanoseconds)
    return NodeIdentity(kind: Self.birthKind, length: 24, words: words)
  }

  /// Handle types of the kernel are positive.
  private static let birthKind: Int32 = -2

  /// Runs `body` as the worker, and as the caller where the under file system refuses the worker: with root_squash root may
  /// less than the owner. The kernel has checked the caller's permission already (default_permissions).
  func asWorker<R: ~Copyable>(orCaller caller: Caller, _ body: () throws(Errno) -> R) throws(Errno) -> R {
    do throws(Errno) { return try body() } catch {
      guard error == .permissionDenied || error == .notPermitted, caller.isKnown, caller.uid != workerUID else {
        throw error
      }
    }
    let groups = ThreadCredentials.groups(ofProcess: caller.pid) ?? []
    return try ThreadCredentials.perform(uid: caller.uid, gid: caller.gid, groups: groups, body)
  }

  /// The ids and groups of a caller who has not got the worker's rights: those of the request where it names them, else
  /// those of his process. Nil for others, and when the process is not visible.
  func unprivileged(_ caller: Caller) -> (uid: UInt32, gid: UInt32, groups: [UInt32])? {
    guard caller.pid > 0, !caller.isKnown || caller.uid != workerUID, let status = try? ProcessStatus(pid: caller.pid)
    else { return nil }
    if caller.isKnown { return (caller.uid, caller.gid, status.groups) }
    guard status.fileUserID != workerUID else { return nil }
    return (status.fileUserID, status.fileGroupID, status.groups)
  }
}
