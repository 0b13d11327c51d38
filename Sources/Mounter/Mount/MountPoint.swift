internal import Glibc
internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// The folder that a volume is mounted on. It is immutable underneath, so that nothing is ever written to the node's disk
/// while the mount is away.
struct MountPoint: Sendable, Hashable {
  let path: String

  /// The mount point of a key in the mounter's own state folder.
  init(of key: WorkerKey, in stateDirectory: String) {
    path = NodePaths(stateDirectory: stateDirectory, kubeletDirectory: "").mountPoint(key)
  }

  init(path: String) { self.path = path }

  /// Makes the folder and those above it where they are absent, and makes it immutable.
  /// - Returns: false where the file system cannot keep it immutable.
  func make() throws(MounterError) -> Bool {
    do throws(Errno) {
      try Folder.makeAll(path)
      return try setImmutable(true)
    } catch {
      throw .system(error, step: "making the mount point \(path)")
    }
  }

  /// Removes the folder, and the one above it once that is empty. Nothing may be mounted on it. An absent one is fine.
  func remove() throws(MounterError) {
    do throws(Errno) {
      _ = try setImmutable(false)
      try Folder.removeEmpty(path)
    } catch .noSuchFileOrDirectory {
      return
    } catch {
      throw .system(error, step: "removing the mount point \(path)")
    }
    // The node plugin may keep something beside the mount point; then the folder stays.
    if let slash = path.lastIndex(of: "/"), slash > path.startIndex { try? Folder.removeEmpty(String(path[..<slash])) }
  }

  /// Takes away what an earlier mounter left mounted here. A worker that still serves goes on doing so for the targets
  /// that were bound from it, and ends with the last of them.
  /// - Returns: how many mounts there were.
  @discardableResult
  func clear() throws(MounterError) -> Int {
    var count = 0
    while true {
      let step = "unmounting what was left at \(path)"
      guard let entry = try failing(step, { () throws(Errno) in try MountTable.read(along: path).visible(at: path) })
      else {
        return count
      }
      guard entry.type == FuseMount.type else {
        throw .system(.resourceBusy, step: "using \(path), where a file system of type \(entry.type) is mounted")
      }
      try failing(step) { () throws(Errno) in try Mount.unmount(path, flags: [.detach, .noFollow]) }
      count += 1
    }
  }

  private func setImmutable(_ immutable: Bool) throws(Errno) -> Bool {
    let folder = try Descriptor.open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    do throws(Errno) {
      return try InodeFlags.setImmutable(immutable, on: folder)
    } catch .notPermitted {
      // Without CAP_LINUX_IMMUTABLE the flag can be neither set nor, having never been set, be in the way.
      return false
    }
  }
}

/// Runs a step of system calls; its failure says what was being done.
func failing<Value: ~Copyable>(_ step: String, _ body: () throws(Errno) -> Value) throws(MounterError) -> Value {
  do throws(Errno) { return try body() } catch { throw .system(error, step: step) }
}
