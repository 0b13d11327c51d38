internal import CLinux
import Glibc
internal import Synchronization
package import SystemPackage

/// A copy of one mount that stands at no path; gone without a trace with its last reference.
///
/// It is in the peer group of the mount that it was made of, also after that one has been unmounted: what is mounted on it
/// appears on all mounts of the group and on those that only receive from it, in whatever mount namespace they are.
/// mount_namespaces(7), open_tree(2).
package struct MountCopy: Sendable {
  private let tree: SharedDescriptor

  /// Copies the mount that is seen at `path`, without asking its file system, which may be dead.
  /// - Parameter path: without symbolic links.
  /// - Throws: ENOSYS before Linux 5.2.
  package init(of path: String) throws(Errno) {
    try Syscall.checkNoNul(path)
    let options = CLINUX_OPEN_TREE_CLONE | CLINUX_OPEN_TREE_CLOEXEC | UInt32(AT_SYMLINK_NOFOLLOW)
    tree = SharedDescriptor(Descriptor(adopting: try Syscall.once { clinux_open_tree(AT_FDCWD, path, options) }))
  }

  /// Puts `cover` over every mount of this one's group and over those that receive from it. Both copies are used up.
  ///
  /// Whoever unmounted this copy would uncover the others again. So it is mounted in a mount namespace of its own, whose
  /// end nobody else hears of, on a thread that lasts as long as the call.
  /// - Parameter folder: a directory to mount on in that namespace; elsewhere nothing happens to it.
  /// - Throws: EPERM without CAP_SYS_ADMIN.
  package func spread(_ cover: MountCopy, over folder: String) throws(Errno) {
    try Syscall.checkNoNul(folder)
    let outcome = Outcome(done: try EventFD())
    try DetachedThread.start(name: "spread", stackSize: 256 << 10) {
      do throws(Errno) {
        try Syscall.once { clinux_unshare_mounts() }
        try Mount.setPropagation(.private, of: "/", recursive: true)
        try Mount.attach(tree.descriptor, to: folder)
        try Mount.attach(cover.tree.descriptor, on: tree.rawValue)
      } catch {
        outcome.error.withLock { $0 = error }
      }
      outcome.done.signal()
    }
    _ = try outcome.done.descriptor.isReadable(within: -1)
    if let error = outcome.error.withLock({ $0 }) { throw error }
  }

  private final class Outcome: Sendable {
    let error = Mutex<Errno?>(nil)
    let done: EventFD
    init(done: EventFD) { self.done = done }
  }
}
