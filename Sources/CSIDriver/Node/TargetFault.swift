package import LinuxSystem
package import SystemPackage

/// Why a target path cannot be published, or not be taken down.
package enum TargetFault: Error, Sendable, Hashable {
  /// The CO makes the parent (CSI, `NodePublishVolumeRequest.target_path`); it is not there.
  case parentAbsent(path: String)
  /// A component of the way is a symbolic link or no directory.
  case wayNotADirectory(path: String)
  case insideStateDirectory(path: String)
  case symbolicLink(path: String)
  case notADirectory(path: String)
  case notEmpty(path: String)
  /// Something that is not this volume is mounted at the target.
  case foreignMount(path: String, type: String)
  /// The mount is not where it was put: somebody else mounts or unmounts at this path.
  case notMountedAfterBind(path: String, guarded: Bool)
  /// Mounted in a place that a mount on one of its parents hides.
  case hidden(path: String)
  /// umount2 failed, with MNT_DETACH as well.
  case unmountFailed(path: String, Errno, holders: [ProcessReference])
  case system(Errno, step: String)
  case deadline(step: String)
}

extension TargetFault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .parentAbsent(let path):
      "the folder \(path) that should hold the target does not exist: the orchestrator makes it before it publishes"
    case .wayNotADirectory(let path):
      "\(path), on the way to the target, is a symbolic link or no directory: name a target without links"
    case .insideStateDirectory(let path):
      "the target \(path) lies in the plugin's own state folder: name one of the pod's folders"
    case .symbolicLink(let path):
      "the target \(path) is a symbolic link: remove it, or name a directory"
    case .notADirectory(let path):
      "the target \(path) exists and is no directory: remove it, or name another target"
    case .notEmpty(let path):
      "the target \(path) is a directory with something in it: empty it, or name another target"
    case .foreignMount(let path, let type):
      "a file system of type \(type) that is not this volume's is mounted at the target \(path): unmount it first"
    case .notMountedAfterBind(let path, let guarded):
      """
      the volume is not at \(path) after it was mounted there: something else mounts or unmounts at this path\
      \(guarded ? "" : "; the directory under it cannot be protected from writes on its file system")
      """
    case .hidden(let path):
      "the mount at \(path) is hidden by another one on a folder above it: unmount that one first"
    case .unmountFailed(let path, let error, let holders):
      "cannot unmount \(path) (\(error)), held by \(Self.sentence(holders)): end them and try again"
    case .system(let error, let step):
      "\(step): \(error)"
    case .deadline(let step):
      "the deadline passed while \(step): the file system there does not answer; try again"
    }
  }

  /// At most eight processes by name.
  private static func sentence(_ holders: [ProcessReference]) -> String {
    if holders.isEmpty { return "processes that cannot be seen from here" }
    let named = holders.prefix(8).map(\.description).joined(separator: ", ")
    return holders.count > 8 ? "\(named) and \(holders.count - 8) more" : named
  }
}
