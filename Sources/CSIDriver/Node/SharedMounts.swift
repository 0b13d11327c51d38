internal import LinuxSystem
internal import SystemPackage
package import VolumeModel

/// Whether mounts made in a folder are seen outside this mount namespace, where the pods are.
///
/// A container has a mount namespace of its own: what is mounted in it reaches the node and its pods only on a mount that
/// is shared with the node's ("Bidirectional" in Kubernetes, mount_namespaces(7)). Without it every call succeeds and pods
/// find an empty directory.
package enum SharedMounts {
  /// Of the folders that volumes are mounted in, those that lie on a mount that is not shared. Blocks.
  package static func unsharedFolders(_ paths: NodePaths) throws(TargetFault) -> [String] {
    var unshared: [String] = []
    for folder in [paths.stateDirectory, paths.kubeletDirectory] {
      do throws(Errno) {
        let path = try Descriptor.reach(folder).path()
        if try MountTable.read(along: path).containing(path)?.sharedGroup == nil { unshared.append(folder) }
      } catch {
        throw .system(error, step: "look for the mount that holds \(folder)")
      }
    }
    return unshared
  }
}
