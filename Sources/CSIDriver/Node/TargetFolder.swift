internal import Glibc
package import LinuxSystem
internal import SystemPackage
package import VolumeModel

/// The directory that a volume appears on, reached from the kubelet's folder step by step without following a link.
///
/// Everything here blocks: run it in a `BlockingCall`. Nothing here looks at a mount that stands on the directory: ask the
/// mount table first.
package struct TargetFolder: Sendable {
  /// What is at the target's place.
  package enum Content: Sendable, Hashable {
    case absent
    case emptyDirectory
    case filledDirectory
    case symbolicLink
    case somethingElse
  }

  /// The folder that holds the target, O_PATH.
  private let parent: SharedDescriptor
  private let name: String
  /// The target as mountinfo shows it: the kubelet's folder may be reached through links, nothing below it is.
  package let mountPath: String

  /// Goes to the target's parent.
  /// - Throws: `parentAbsent`, `wayNotADirectory`, `insideStateDirectory`, `system`.
  package init(_ target: TargetPath, paths: NodePaths) throws(TargetFault) {
    let root = try Self.step("open the kubelet's folder \(paths.kubeletDirectory)") { () throws(Errno) in
      SharedDescriptor(try Descriptor.reach(paths.kubeletDirectory))
    }
    let rootPath = try Self.step("find the path of \(paths.kubeletDirectory)") { () throws(Errno) in
      try root.descriptor.path()
    }
    let relative = target.path.utf8.dropFirst(paths.kubeletDirectory.utf8.count).split(separator: UInt8(ascii: "/"))
      .map { String(decoding: $0, as: UTF8.self) }
    var folder = root
    var reached = rootPath == "/" ? "" : rootPath
    for component in relative.dropLast() {
      reached += "/\(component)"
      folder = try Self.descend(from: folder, to: component, path: reached)
    }
    parent = folder
    name = relative.last ?? ""
    mountPath = "\(reached)/\(name)"
    if mountPath.hasPrefix(paths.stateDirectory + "/") { throw .insideStateDirectory(path: mountPath) }
  }

  /// The same for a target that may be gone with its parent.
  package static func find(_ target: TargetPath, paths: NodePaths) throws(TargetFault) -> TargetFolder? {
    do throws(TargetFault) { return try TargetFolder(target, paths: paths) } catch .parentAbsent { return nil }
  }

  private static func descend(
    from folder: SharedDescriptor, to component: String, path: String
  ) throws(TargetFault) -> SharedDescriptor {
    do throws(Errno) {
      return SharedDescriptor(try folder.descriptor.reach(component, followingLinks: false))
    } catch {
      switch error {
      case .noSuchFileOrDirectory: throw .parentAbsent(path: path)
      case .notDirectory, .tooManySymbolicLinkLevels: throw .wayNotADirectory(path: path)
      default: throw .system(error, step: "open \(path)")
      }
    }
  }

  /// What is there. Only where nothing is mounted.
  package func content() throws(TargetFault) -> Content {
    do throws(Errno) {
      let directory = try parent.descriptor.open(at: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
      let names = try DirectoryNames.list("/proc/self/fd/\(directory.rawValue)")
      return names.isEmpty ? .emptyDirectory : .filledDirectory
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return .absent
      case .tooManySymbolicLinkLevels: return .symbolicLink
      // A link with O_DIRECTORY|O_NOFOLLOW is ENOTDIR as well.
      case .notDirectory: return parent.descriptor.isSymbolicLink(name) ? .symbolicLink : .somethingElse
      default: throw .system(error, step: "look at \(mountPath)")
      }
    }
  }

  /// Refuses what a volume must not be mounted on.
  package func checkUsable() throws(TargetFault) -> Content {
    let content = try content()
    switch content {
    case .absent, .emptyDirectory: return content
    case .filledDirectory: throw .notEmpty(path: mountPath)
    case .symbolicLink: throw .symbolicLink(path: mountPath)
    case .somethingElse: throw .notADirectory(path: mountPath)
    }
  }

  /// Makes the directory where it is absent and shuts it: on the file system under the mount nobody, not even root, can
  /// make a file in it.
  /// - Returns: the open directory (O_RDONLY) to mount on, and whether its file system could shut it.
  package func make() throws(TargetFault) -> (directory: SharedDescriptor, guarded: Bool) {
    try Self.step("make the directory \(mountPath)") { () throws(Errno) in
      do throws(Errno) { try parent.descriptor.makeDirectory(name, mode: 0o750) } catch .fileExists {}
    }
    let directory = try Self.step("open \(mountPath)") { () throws(Errno) in
      SharedDescriptor(try parent.descriptor.open(at: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    }
    return (directory, Self.shut(directory.descriptor))
  }

  /// Takes the directory away. Only where nothing is mounted.
  /// - Parameter known: the plugin has a record of the target; anything but an empty directory is then an error, while a
  ///   target of nobody's is left as it is.
  package func remove(known: Bool) throws(TargetFault) {
    switch try content() {
    case .absent: return
    case .emptyDirectory: break
    case .filledDirectory, .symbolicLink, .somethingElse:
      if known { _ = try checkUsable() }
      return
    }
    try unshut()
    try Self.step("remove the directory \(mountPath)") { () throws(Errno) in
      do throws(Errno) { try parent.descriptor.removeDirectory(name) } catch .noSuchFileOrDirectory {}
    }
  }

  /// Clears the flag that shut the directory. Only where nothing is mounted.
  package func unshut() throws(TargetFault) {
    try Self.step("make \(mountPath) changeable") { () throws(Errno) in
      do throws(Errno) {
        let directory = try parent.descriptor.open(at: name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
        _ = try InodeFlags.setImmutable(false, on: directory)
      } catch .noSuchFileOrDirectory {}
    }
  }

  /// Without CAP_LINUX_IMMUTABLE it is as on file systems without the flag: the check after the bind has to do.
  private static func shut(_ directory: borrowing Descriptor) -> Bool {
    (try? InodeFlags.setImmutable(true, on: directory)) ?? false
  }

  private static func step<Result>(
    _ step: String, _ body: () throws(Errno) -> Result
  ) throws(TargetFault) -> Result {
    do throws(Errno) { return try body() } catch { throw .system(error, step: step) }
  }
}
