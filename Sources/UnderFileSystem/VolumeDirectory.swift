package import SystemPackage

/// Provisioning beneath one UFS directory: each volume has a directory of its own there, which only its owner may touch.
/// Every call is idempotent and can be repeated after a crash at any point.
package protocol VolumeDirectories: Sendable {
  /// Makes the directory of a volume and its owner marker.
  /// - Returns: true when this call made the directory; false when it was there, with this owner's marker. Who undoes a
  ///   failed CreateVolume must not remove what an earlier volume of the name retained.
  /// - Throws: `.foreignOwner` when the name is taken by another volume or by something that has no marker.
  @discardableResult
  func createDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool
  /// Whether the directory is there with its owner's marker.
  /// - Throws: `.foreignOwner`, `.notADirectory`.
  func hasDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool
  /// Removes the directory and everything in it, without following symlinks or entering other mounts. Absent: nothing to do.
  /// - Throws: `.interrupted` where the time did not suffice; the next call goes on.
  func removeDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError)
  /// Renames the directory to `archived-NAME` (with a number behind it if that is taken). Absent: nothing to do.
  func archiveDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError)
  /// Bytes that an unprivileged user could still write.
  func availableCapacity() throws(VolumeDirectoryError) -> UInt64
}

/// Why a volume directory could not be made or removed.
package enum VolumeDirectoryError: Error, Hashable {
  /// The name is empty, `.`, `..`, hidden from volumes, or holds a slash or NUL.
  case badName(FileName)
  /// The directory carries the marker of another volume, or none.
  case foreignOwner(found: String?)
  /// Something there is not a directory.
  case notADirectory
  /// Another file system is mounted inside the directory: it must be unmounted before the volume can be deleted.
  case mountInside(path: String)
  /// The time is over; so many keys were moved or removed, and the next call goes on.
  case interrupted(done: Int)
  /// The object store keeps so many keys, with the code that it gives for one of them.
  case undeletable(count: Int, code: String)
  /// The object store lists keys that were not asked for: nothing is removed on the word of such a service.
  case strayKey
  /// A key would be longer in the archive than keys can be.
  case keyTooLong
  /// Keys appear as fast as they are removed.
  case unsettled
  /// Any other failure of an object store.
  case store(BucketError, operation: String)
  /// Any other failure of the under file system.
  case system(Errno, operation: String)
}
