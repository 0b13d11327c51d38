package import LinuxSystem
internal import SystemPackage
package import VolumeModel

/// Whether what is mounted in the driver's folders reaches pods.
package struct PropagationCheck: NodeCheck {
  package let name = "propagation"
  let paths: NodePaths

  package init(_ paths: NodePaths) { self.paths = paths }

  package func findings(by deadline: Deadline) async -> [Finding] {
    await blocking(by: deadline) { look() }
  }

  private func look() -> [Finding] {
    let folders = [(paths.kubeletDirectory, "--kubelet-dir"), (paths.stateDirectory, "--state-dir")]
    let absent = folders.compactMap { folder, flag in
      (try? Descriptor.reach(folder)) == nil
        ? failure("there is no folder \(folder)", fix: "name the plugin's \(flag), or start the plugin on this node")
        : nil
    }
    guard absent.isEmpty else { return absent }
    do throws(TargetFault) {
      let unshared = try SharedMounts.unsharedFolders(paths)
      return unshared.isEmpty
        ? [ok("mounts in \(paths.kubeletDirectory) reach other mount namespaces, so pods")]
        : unshared.map { folder in
          failure(
            "mounts in \(folder) stay in this mount namespace: pods find empty directories",
            fix: "give the container's volume mountPropagation: Bidirectional, and on the node make the mount shared "
              + "(mount --make-rshared)")
        }
    } catch {
      return [failure("\(error)", fix: "run this as root, in the plugin's container")]
    }
  }
}
