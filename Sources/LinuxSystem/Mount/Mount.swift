internal import CLinux
import Glibc
package import SystemPackage

/// Mounting and unmounting by system call, never through mount(8) or umount(8), which hang on a dead FUSE mount.
/// Any of these may block on a mount whose file system does not answer: run them with a deadline (`BlockingCall`).
package enum Mount {
  /// mount(2).
  /// - Parameter data: options of the file system, comma separated; may hold descriptor numbers, never secrets, as
  ///   mountinfo shows it to everyone.
  package static func mount(
    source: String, target: String, type: String, flags: MountFlags = [], data: String = ""
  ) throws(Errno) {
    try Syscall.checkNoNul(source, target, type, data)
    try Syscall.once { Glibc.mount(source, target, type, flags.rawValue, data) }
  }

  /// Shows the tree of `source` at `target` as well, with `flags` in force from its first moment.
  ///
  /// Where the kernel has mount_setattr(2) (5.12) the flags are set before the mount can be seen; older kernels bind
  /// and then remount, and the bind is taken away again when the remount fails.
  /// - Parameter flags: of `readOnly`, `noSetUserID`, `noDevices` and `noExecute`, added to those of the source's mount.
  package static func bind(
    from source: String, to target: String, flags: MountFlags = [], recursive: Bool = false
  ) throws(Errno) {
    try Syscall.checkNoNul(source, target)
    do throws(Errno) {
      try attach(try cloneTree(AT_FDCWD, source, flags: flags, recursive: recursive), to: target)
    } catch .noFunction {
      let recursion = recursive ? clinux_MS_REC : 0
      try Syscall.once { Glibc.mount(source, target, nil, clinux_MS_BIND | recursion, nil) }
      try restrict(target, flags: flags)
    }
  }

  /// Shows the directory or file that is open as `source` at `target` as well, whatever its path has become meanwhile.
  /// - Parameter source: may be O_PATH.
  package static func bind(
    from source: borrowing Descriptor, to target: String, flags: MountFlags = []
  ) throws(Errno) {
    try Syscall.checkNoNul(target)
    let number = source.rawValue
    do throws(Errno) {
      try attach(try cloneTree(number, "", flags: flags, recursive: false), to: target)
    } catch .noFunction {
      try Syscall.once { Glibc.mount("/proc/self/fd/\(number)", target, nil, clinux_MS_BIND, nil) }
      try restrict(target, flags: flags)
    }
  }

  /// Shows the tree of `source` on an open directory as well: what its path has become meanwhile does not matter.
  ///
  /// The bind does not share with its source what is mounted on either. On a shared mount it begins a peer group of its own,
  /// whose members are the bind itself as other mount namespaces see it and the copies made of it.
  /// - Returns: false where the kernel cannot do that (before 5.12): the bind is in its source's peer group then.
  @discardableResult
  package static func bind(
    from source: String, to directory: borrowing Descriptor, flags: MountFlags = []
  ) throws(Errno) -> Bool {
    try Syscall.checkNoNul(source)
    let number = directory.rawValue
    do throws(Errno) {
      let tree = try cloneTree(AT_FDCWD, source, flags: flags, recursive: false, propagation: .private)
      try attach(tree, on: number)
      return true
    } catch .noFunction {
      let path = try directory.path()
      try Syscall.once { Glibc.mount(source, "/proc/self/fd/\(number)", nil, clinux_MS_BIND, nil) }
      try restrict(path, flags: flags)
      return false
    }
  }

  /// Sets the flags of the mount at `target` to exactly `flags`, without touching the file system under it.
  /// Flags that the mount has and `flags` has not are cleared: start from `MountEntry.flags`.
  package static func remountBind(_ target: String, flags: MountFlags) throws(Errno) {
    try Syscall.checkNoNul(target)
    let all = clinux_MS_REMOUNT | clinux_MS_BIND | flags.rawValue
    try Syscall.once { Glibc.mount(nil, target, nil, all, nil) }
  }

  /// Moves the mount at `source` to `target`. Fails with EINVAL when the parent mount is shared.
  package static func move(from source: String, to target: String) throws(Errno) {
    try Syscall.checkNoNul(source, target)
    try Syscall.once { Glibc.mount(source, target, nil, clinux_MS_MOVE, nil) }
  }

  /// Changes how mounts below `target`, which must be a mount point, spread.
  package static func setPropagation(
    _ propagation: MountPropagation, of target: String, recursive: Bool = false
  ) throws(Errno) {
    try Syscall.checkNoNul(target)
    let flags = propagation.flag | (recursive ? clinux_MS_REC : 0)
    try Syscall.once { Glibc.mount(nil, target, nil, flags, nil) }
  }

  /// umount2(2) of the topmost mount at `target`.
  /// - Throws: EBUSY while something uses it and neither `detach` nor `force` is given; EINVAL when nothing is mounted.
  package static func unmount(_ target: String, flags: UnmountFlags = [.noFollow]) throws(Errno) {
    try Syscall.checkNoNul(target)
    try Syscall.once { umount2(target, flags.rawValue) }
  }

  /// A detached copy of the mount tree at a path or a descriptor, restricted before anybody can reach it.
  private static func cloneTree(
    _ directory: CInt, _ path: String, flags: MountFlags, recursive: Bool, propagation: MountPropagation? = nil
  ) throws(Errno) -> Descriptor {
    let recursion = recursive ? CLINUX_AT_RECURSIVE : 0
    let options = CLINUX_OPEN_TREE_CLONE | CLINUX_OPEN_TREE_CLOEXEC | CLINUX_AT_EMPTY_PATH | recursion
    let tree = Descriptor(adopting: try Syscall.once { clinux_open_tree(directory, path, options) })
    var attributes: UInt64 = 0
    if flags.contains(.readOnly) { attributes |= UInt64(CLINUX_MOUNT_ATTR_RDONLY) }
    if flags.contains(.noSetUserID) { attributes |= UInt64(CLINUX_MOUNT_ATTR_NOSUID) }
    if flags.contains(.noDevices) { attributes |= UInt64(CLINUX_MOUNT_ATTR_NODEV) }
    if flags.contains(.noExecute) { attributes |= UInt64(CLINUX_MOUNT_ATTR_NOEXEC) }
    let spread = UInt64(propagation?.flag ?? 0)
    if attributes != 0 || spread != 0 {
      let number = tree.rawValue
      try Syscall.once { clinux_mount_setattr(number, recursion, attributes, spread) }
    }
    return tree
  }

  /// On an open directory, or on the mount that a detached tree has become.
  static func attach(_ tree: borrowing Descriptor, on directory: CInt) throws(Errno) {
    let number = tree.rawValue
    let empty = CLINUX_MOVE_MOUNT_F_EMPTY_PATH | CLINUX_MOVE_MOUNT_T_EMPTY_PATH
    try Syscall.once { clinux_move_mount(number, "", directory, "", empty) }
  }

  /// move_mount(2): does not follow a symbolic link at the end of `target`.
  static func attach(_ tree: borrowing Descriptor, to target: String) throws(Errno) {
    let number = tree.rawValue
    try Syscall.once { clinux_move_mount(number, "", AT_FDCWD, target, CLINUX_MOVE_MOUNT_F_EMPTY_PATH) }
  }

  /// Adds flags to a fresh bind, or takes the bind away.
  private static func restrict(_ target: String, flags: MountFlags) throws(Errno) {
    if flags.isEmpty { return }
    do throws(Errno) {
      let present = try MountTable.read(along: target).visible(at: target)?.flags ?? []
      try remountBind(target, flags: present.union(flags))
    } catch {
      try? unmount(target, flags: [.detach, .noFollow])
      throw error
    }
  }
}
