package import VolumeModel

/// Where volumes get their directories, and with whose rights.
package struct ProvisioningPlace: Sendable, CustomReflectable {
  /// The UFS of the StorageClass, beneath which the directories lie.
  package let base: UnderFileSystemURI
  /// Of an s3:// or oss:// UFS.
  package let properties: ObjectStoreProperties
  /// Of the provisioner, for object stores; empty where it gives none. Neither kept nor shown.
  let secrets: [String: String]

  package init(
    _ base: UnderFileSystemURI, properties: ObjectStoreProperties = ObjectStoreProperties(),
    secrets: [String: String] = [:]
  ) {
    self.base = base
    self.properties = properties
    self.secrets = secrets
  }

  package var customMirror: Mirror { Mirror(self, children: ["base": base]) }
}

extension VolumeContext {
  /// The place that a StorageClass names.
  /// - Parameter secrets: of the request.
  func place(secrets: [String: String] = [:]) throws(CSIError) -> ProvisioningPlace {
    do throws(VolumeContextError) {
      return ProvisioningPlace(
        underFileSystem, properties: try ObjectStoreProperties(values, of: underFileSystem), secrets: secrets)
    } catch {
      throw .volumeContext(error)
    }
  }
}
