/// Who asked: the credentials of the process whose system call became this request.
package struct Caller: Sendable, Hashable {
  /// File system ids (fsuid, fsgid) of the calling thread.
  package var uid: UInt32
  package var gid: UInt32
  /// In the PID namespace of the mount's opener; 0 when the process is not visible there.
  package var pid: Int32
  /// The process's umask as the kernel sent it (DONT_MASK is granted, so it is applied by us or by default ACLs).
  package var umask: UInt32

  package init(uid: UInt32, gid: UInt32, pid: Int32, umask: UInt32 = 0) {
    self.uid = uid
    self.gid = gid
    self.pid = pid
    self.umask = umask
  }

  /// For what the worker does by itself.
  package static var nobody: Caller { Caller(uid: .max, gid: .max, pid: 0) }

  /// False for requests that do not name their user: the kernel sends −1 on mounts that allow id mapping.
  package var isKnown: Bool { uid != .max && gid != .max }
}
