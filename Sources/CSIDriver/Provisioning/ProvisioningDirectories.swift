package import LinuxSystem
package import VolumeModel

/// The volumes' directories beneath an under file system, as the controller uses them: off the caller's thread, within a
/// deadline, with errors that the caller of an RPC understands.
package protocol ProvisioningDirectories: Sendable {
  /// Whether volumes may show this UFS at all. A `file://` path that this process cannot see is taken when its text lies
  /// beneath a file root: the nodes check it by its handle.
  func checkServed(_ base: UnderFileSystemURI, by deadline: Deadline) async throws(CSIError)

  /// Makes the directory with its owner's marker, or finds it.
  /// - Returns: whether this call made it.
  func create(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, by deadline: Deadline
  ) async throws(CSIError) -> Bool

  /// Looks for the directory and its owner's marker.
  /// - Throws: what is wrong with it and what to do, for people.
  func check(
    _ name: String, owner volumeID: String, in base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError)

  /// Deletes or archives it; nothing to do for `.retain` and for one that is not there. Where the time does not suffice, a
  /// repetition goes on.
  func end(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, _ action: VolumeContext.OnDelete,
    by deadline: Deadline
  ) async throws(CSIError)

  /// Bytes that are free in a UFS, or in the roomiest of the file roots. The most that there is where nobody knows.
  func capacity(of base: UnderFileSystemURI?, by deadline: Deadline) async throws(CSIError) -> UInt64
}
