import Glibc
package import LinuxSystem
import SystemPackage
import VolumeModel

/// Volume directories of a `file://` UFS. Everything is done relative to the open base directory and one name at a
/// time, so
/// that no symlink, however it is swapped in, leads anywhere else.
package final class LocalVolumeDirectories: VolumeDirectories {
  private let base: Descriptor
  /// Permission bits of a new volume directory: its users are the pods, whatever their uid.
  private let mode: UInt32

  /// - Parameter base: the open directory beneath which volumes live (O_RDONLY|O_DIRECTORY, not O_PATH).
  package init(base: consuming Descriptor, mode: UInt32 = 0o777) {
    self.base = base
    self.mode = mode
  }

  @discardableResult
  package func createDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool {
    try check(name)
    if try isOwned(name, by: volumeID) { return false }
    // The directory appears together with its marker: a crash leaves a hidden directory that the next attempt removes.
    let making = scratchName("c", name, volumeID)
    try removeScratch(making)
    do throws(Errno) {
      try base.makeDirectory(name: making.nulTerminated, mode: 0o700)
      let directory = try base.open(name: making.nulTerminated, OpenFlags.directory)
      let marker = try directory.open(
        name: HiddenName.ownerMarker.nulTerminated, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o600)
      try marker.writeAll(Array(volumeID.utf8))
      try marker.synchronize()
      try directory.changeMode(mode)
      try directory.synchronize()
      try base.rename(name: making.nulTerminated, toNew: name.nulTerminated, in: base)
      try base.synchronize()
      return true
    } catch {
      try? removeScratch(making)
      // Somebody else made it meanwhile: another attempt for this volume, or another volume.
      let isTaken = error == .fileExists || error == .directoryNotEmpty
      if isTaken, try isOwned(name, by: volumeID) { return false }
      throw .system(error, operation: "create the volume's directory")
    }
  }

  package func hasDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool {
    try check(name)
    return try isOwned(name, by: volumeID)
  }

  package func removeDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    try check(name)
    // Out of sight at one stroke; then, however often this is interrupted, what is left has a name that leads here
    // again.
    let removing = scratchName("d", name, volumeID)
    if try isOwned(name, by: volumeID) {
      try removeScratch(removing)
      do throws(Errno) {
        try base.rename(name: name.nulTerminated, toNew: removing.nulTerminated, in: base)
        try base.synchronize()
      } catch {
        if error == .resourceBusy { throw .mountInside(path: name.description) }
        throw .system(error, operation: "take the volume's directory out of sight")
      }
    }
    try removeScratch(removing)
  }

  package func archiveDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    try check(name)
    guard try isOwned(name, by: volumeID) else { return }
    for attempt in 0..<10_000 {
      let target = name.archived(attempt)
      do throws(Errno) {
        try base.rename(name: name.nulTerminated, toNew: target.nulTerminated, in: base)
        return try base.synchronize()
      } catch {
        if error == .resourceBusy { throw .mountInside(path: name.description) }
        if error != .fileExists { throw .system(error, operation: "rename the volume's directory") }
      }
    }
    throw .system(.fileExists, operation: "rename the volume's directory")
  }

  package func availableCapacity() throws(VolumeDirectoryError) -> UInt64 {
    do throws(Errno) {
      let status = try base.fileSystemStatus()
      return status.availableBlocks * status.fragmentSize
    } catch { throw .system(error, operation: "ask for the free space") }
  }

  // MARK: Names and markers

  private func check(_ name: FileName) throws(VolumeDirectoryError) {
    do { try name.check() } catch { throw .badName(name) }
  }

  /// The same for every attempt on one volume, so that the next finds what the one before left.
  private func scratchName(_ kind: String, _ name: FileName, _ volumeID: String) -> FileName {
    let digest = Digest.sha256Hex(
      "\(volumeID.utf8.count):\(volumeID):\(name.bytes.map(String.init).joined(separator: ","))")
    return FileName(bytes: HiddenName.temporaryPrefix + Array("\(kind).\(digest.prefix(32))".utf8))
  }

  /// Whether the directory is there and belongs to the volume. - Throws: when it belongs to anybody else.
  private func isOwned(_ name: FileName, by volumeID: String) throws(VolumeDirectoryError) -> Bool {
    let found: String?
    do throws(Errno) {
      let directory = try base.open(name: name.nulTerminated, OpenFlags.directory)
      found = try Self.owner(of: directory)
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return false
      // A symlink is no directory either, whatever it leads to.
      case .notDirectory, .tooManySymbolicLinkLevels: throw .notADirectory
      default: throw .system(error, operation: "read the owner marker")
      }
    }
    guard let found, PathComponents.same(found, volumeID) else { throw .foreignOwner(found: found) }
    return true
  }

  /// The volume id in the directory's marker; nil when there is no readable one.
  private static func owner(of directory: borrowing Descriptor) throws(Errno) -> String? {
    do throws(Errno) {
      let marker = try directory.open(
        name: HiddenName.ownerMarker.nulTerminated, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
      return String(validating: try marker.read(upTo: 4096), as: UTF8.self)
    } catch {
      if error == .noSuchFileOrDirectory || error == .tooManySymbolicLinkLevels { return nil }
      throw error
    }
  }

  private func removeScratch(_ name: FileName) throws(VolumeDirectoryError) {
    try TreeRemoval.remove(name, in: base)
  }
}
