import LinuxSystem
package import SystemPackage
package import UnderFileSystem

/// setuid and setgid, which go when somebody without CAP_FSETID changes the content of a file.
extension VolumeFileSystem {
  /// Before a FUSE_WRITE that demands it (FUSE_WRITE_KILL_SUIDGID), and before FUSE_FALLOCATE and FUSE_COPY_FILE_RANGE, for
  /// which the kernel leaves it to us (HANDLE_KILLPRIV_V2) and does not say whether the caller has CAP_FSETID.
  /// - Parameter isDemanded: the kernel has said that the caller lacks CAP_FSETID.
  /// - Returns: whether the mode changed. The answers to these requests have no attributes: the kernel has to be told.
  package func clearSetIDBits(of node: NodeID, caller: Caller, isDemanded: Bool) throws(Errno) -> Bool {
    try clearSetIDBits(of: try file(node, .readWrite), caller: caller, isDemanded: isDemanded)
  }

  /// setgid that the group may not execute goes as well when the caller is known not to be of the group.
  @discardableResult
  func clearSetIDBits(of file: any OpenFile, caller: Caller, isDemanded: Bool) throws(Errno) -> Bool {
    let attributes = try file.attributes()
    let mode = attributes.mode & 0o7777
    guard mode & 0o6000 != 0, isDemanded || !caller.keepsSetIDBits else { return false }
    var cleared = mode & ~0o4000
    if mode & 0o010 != 0 || caller.isStranger(to: attributes.gid) { cleared &= ~0o2000 }
    guard cleared != mode else { return false }
    try file.changeMode(cleared)
    return true
  }
}

extension Caller {
  /// Whether the caller has CAP_FSETID. Where the request does not name him (id-mapped mounts), his process is asked;
  /// without an answer he has it not. Where it does, root is taken to have it.
  fileprivate var keepsSetIDBits: Bool {
    guard !isKnown else { return uid == 0 }
    guard pid > 0, let status = try? ProcessStatus(pid: pid) else { return false }
    return status.effectiveCapabilities.contains(.fileSetID) && ProcessStatus.sharesUserNamespace(pid)
  }

  /// False as well when the caller's process is not visible.
  fileprivate func isStranger(to group: UInt32) -> Bool {
    guard pid > 0, let status = try? ProcessStatus(pid: pid) else { return false }
    return status.fileGroupID != group && !status.groups.contains(group)
  }
}
