package import LinuxSystem
import SystemPackage

/// Volume directories of a `file://` UFS.
package final class LocalVolumeDirectories: VolumeDirectories {
  private let base: Descriptor

  /// - Parameter base: the open directory beneath which volumes live (O_RDONLY|O_DIRECTORY, not O_PATH).
  package init(base: consuming Descriptor) { self.base = base }

  @discardableResult
  package func createDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) -> Bool {
    throw .system(.notSupported, operation: "create")
  }
  package func removeDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    throw .system(.notSupported, operation: "remove")
  }
  package func archiveDirectory(named name: FileName, owner volumeID: String) throws(VolumeDirectoryError) {
    throw .system(.notSupported, operation: "archive")
  }
  package func availableCapacity() throws(VolumeDirectoryError) -> UInt64 {
    throw .system(.notSupported, operation: "statfs")
  }
}
