import CSIDriver
import Glibc
import LinuxSystem
import TestSupport
import Testing
import VolumeModel

@Suite("Folders that volumes are mounted in", .requiresFuse)
struct SharedMountsTests {
  @Test("those on a mount that is not shared are named, also where they are reached through a link")
  func unshared() throws {
    let folder = try TemporaryDirectory("shared")
    let state = try folder.makeDirectory("state")
    let kubelet = try folder.makeDirectory("kubelet")
    #expect(symlink("kubelet", folder.appending("link")) == 0)
    let paths = NodePaths(stateDirectory: "\(state)/driver", kubeletDirectory: folder.appending("link"))
    for path in [state, kubelet] { try Mount.bind(from: path, to: path) }
    try folder.makeDirectory("state/driver")
    for (stateIs, kubeletIs, expected) in [
      (MountPropagation.private, MountPropagation.private, [paths.stateDirectory, paths.kubeletDirectory]),
      (.shared, .private, [paths.kubeletDirectory]), (.private, .shared, [paths.stateDirectory]),
      (.shared, .shared, []),
    ] {
      try Mount.setPropagation(stateIs, of: state)
      try Mount.setPropagation(kubeletIs, of: kubelet)
      #expect(try SharedMounts.unsharedFolders(paths) == expected)
    }
    for path in [state, kubelet] { try Mount.unmount(path, flags: [.detach]) }
  }

  @Test("a folder that is not there is an error and not a warning")
  func absent() throws {
    let folder = try TemporaryDirectory("shared")
    let paths = NodePaths(stateDirectory: folder.appending("absent"), kubeletDirectory: folder.path)
    #expect(throws: TargetFault.self) { try SharedMounts.unsharedFolders(paths) }
  }
}
