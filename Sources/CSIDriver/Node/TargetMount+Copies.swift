package import LinuxSystem
internal import SystemPackage

/// Copies of a target's mount that containers have.
///
/// When a container starts, its runtime copies what is mounted at the target into the container's mount namespace. What is
/// mounted at the target afterwards is not seen there. A copy made for a pod with `mountPropagation: HostToContainer`
/// receives what is mounted on the mount that it was made of, and so can be covered by another one.
extension TargetMount {
  /// What reaches the containers' copies when the mount at the target has been replaced. Take it before.
  /// - Parameter connection: of the mount that is known to have a peer group of its own: what is mounted on another one
  ///   would appear at other targets too, without their flags.
  /// - Returns: nil where nothing can be reached.
  package func copy(ofOwnGroup connection: UInt32?) throws(TargetFault) -> MountCopy? {
    guard let top = try readTable().visible(at: path), top.type == Self.fileSystemType, top.minor == connection,
      top.sharedGroup != nil
    else { return nil }
    return try copy()
  }

  /// Shows what is mounted at the target now in place of what `former` was copied from, wherever it receives mounts: with
  /// the same flags, and such that it can be replaced in the same way once more. What it covers stays beneath it until its
  /// container ends.
  /// - Parameter folder: any directory, see `MountCopy.spread`.
  package func replace(_ former: MountCopy, over folder: String) throws(TargetFault) {
    let present = try copy()
    do throws(Errno) { try former.spread(present, over: folder) } catch {
      throw .system(error, step: "mount the volume in the containers that use \(path)")
    }
  }

  private func copy() throws(TargetFault) -> MountCopy {
    do throws(Errno) { return try MountCopy(of: path) } catch {
      throw .system(error, step: "copy the mount at \(path)")
    }
  }
}
