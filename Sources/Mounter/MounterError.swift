package import SystemPackage
package import VolumeModel

/// Why the mounter could not do what it was asked. The description says what is wrong and what to do about it; it never
/// contains a secret.
package enum MounterError: Error, Sendable, Hashable {
  /// The directory that a `file://` UFS names does not exist on this node.
  case underFileSystemAbsent(path: String)
  case underFileSystemNotADirectory(path: String)
  /// The mounter may not open it.
  case underFileSystemNotPermitted(path: String)
  /// It resolves to a directory outside the roots that the administrator allowed.
  case underFileSystemOutsideRoots(path: String)
  /// No root is allowed at all.
  case noFileRoots(path: String)
  /// This mounter cannot serve such a UFS.
  case underFileSystemNotServed(scheme: String)
  /// The object store does not serve the volume: what is wrong and what to do, as its worker has found out.
  case underFileSystemRefused(UnderFileSystemRefusal, sentence: String)
  /// The key is mounted with another request.
  case incompatible(key: WorkerKey, difference: String)
  /// The mount is in use.
  case busy(key: WorkerKey, holders: [MountHolder])
  /// The key is not mounted.
  case notMounted(WorkerKey)
  /// The deadline passed during `step`.
  case deadline(step: String)
  /// The task that waited was cancelled; what it asked for may still happen.
  case cancelled
  /// No mounter answers at the socket, or it went away during the call.
  case unreachable(socket: String, reason: String)
  /// The worker exited, or said that it cannot serve, before it was ready.
  case workerFailed(reason: String, output: [String])
  /// Mounter and client do not understand each other.
  case protocolVersion(reason: String)
  /// The mounter could not read what it was sent.
  case malformed(reason: String)
  /// Copies that were offered are not, or no longer, those of a mount that this mounter can serve.
  case custodyRefused(key: WorkerKey, reason: String)
  /// The mounter is ending and takes no new work.
  case shuttingDown
  /// A system call failed. `step` says which, and on what.
  case system(Errno, step: String)
}

/// What keeps a mount in use.
package enum MountHolder: Sendable, Hashable, CustomStringConvertible {
  /// `pid` in the PID namespace of who reports it; `program` as in `/proc/PID/comm`, at most 15 bytes.
  case process(pid: Int32, program: String)
  /// Another mount of the same file system.
  case mount(at: String)

  package var description: String {
    switch self {
    case .process(let pid, let program): "\(program) (pid \(pid))"
    case .mount(let path): "the mount at \(path)"
    }
  }
}

extension MounterError {
  /// Another process has the socket.
  package var isAddressInUse: Bool { if case .system(.addressInUse, _) = self { true } else { false } }
}

extension MounterError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .underFileSystemAbsent(let path):
      "the under file system file://\(path) does not exist on this node: create the directory, or correct the volume's path"
    case .underFileSystemNotADirectory(let path):
      "the under file system file://\(path) is not a directory: name the directory that holds the data"
    case .underFileSystemNotPermitted(let path):
      "the mounter may not open file://\(path): give the user it runs as access to the directory and every one above it"
    case .underFileSystemOutsideRoots(let path):
      """
      file://\(path) lies outside the directories that may be served, once symbolic links are resolved: ask the \
      administrator to add its directory to --file-roots (inline volumes: --inline-file-roots)
      """
    case .noFileRoots(let path):
      """
      file://\(path) may not be served, since no directory of this node may: start the driver with \
      --file-roots (inline volumes: --inline-file-roots)
      """
    case .underFileSystemNotServed(let scheme):
      "this mounter cannot serve \(scheme):// under file systems: use a version that can"
    case .underFileSystemRefused(_, let sentence): sentence
    case .incompatible(let key, let difference):
      """
      volume \(key.volumeID) is mounted on this node with another \(difference): unpublish it everywhere on this node \
      before it is published differently
      """
    case .busy(let key, let holders):
      "the mount of volume \(key.volumeID) is in use by \(Self.sentence(holders)): end or unmount what uses it"
    case .notMounted(let key):
      "volume \(key.volumeID) is not mounted on this node: publish it first"
    case .deadline(let step):
      "the deadline passed while \(step): try again, and look at the mounter's log if it passes again"
    case .cancelled: "the call was cancelled"
    case .unreachable(let socket, let reason):
      "the mounter does not answer at \(socket) (\(reason)): see that alluxio-mounter runs; mounted volumes go on serving"
    case .workerFailed(let reason, let output):
      "the volume's FUSE process could not start: \(reason)" + (output.isEmpty ? "" : "; its last words: ")
        + output.joined(separator: " | ")
    case .protocolVersion(let reason):
      "node plugin and mounter do not understand each other (\(reason)): bring both to one version"
    case .malformed(let reason):
      "the mounter could not read the call (\(reason)): bring node plugin and mounter to one version"
    case .custodyRefused(let key, let reason):
      "the mounter cannot go on with volume \(key.volumeID): \(reason)"
    case .shuttingDown:
      "the mounter is ending and takes no new work: try again when it has been started anew"
    case .system(let error, let step):
      "\(step): \(error)"
    }
  }

  /// At most eight holders by name.
  private static func sentence(_ holders: [MountHolder]) -> String {
    if holders.isEmpty { return "something that cannot be seen from here" }
    let named = holders.prefix(8).map(\.description).joined(separator: ", ")
    return holders.count > 8 ? "\(named) and \(holders.count - 8) more" : named
  }
}
