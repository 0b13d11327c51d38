package import LinuxSystem
package import VolumeModel

/// The directories of all under file systems that there are: each call goes to those of its scheme.
package struct ProvisioningDirectoriesByScheme: ProvisioningDirectories {
  private let local: any ProvisioningDirectories
  private let objects: any ProvisioningDirectories

  package init(local: any ProvisioningDirectories, objects: any ProvisioningDirectories) {
    self.local = local
    self.objects = objects
  }

  private func of(_ base: UnderFileSystemURI) -> any ProvisioningDirectories {
    switch base.scheme {
    case .file: local
    case .s3, .oss: objects
    }
  }

  package func checkServed(_ base: UnderFileSystemURI, by deadline: Deadline) async throws(CSIError) {
    try await of(base).checkServed(base, by: deadline)
  }

  package func create(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, by deadline: Deadline
  ) async throws(CSIError) -> Bool {
    try await of(place.base).create(name, owner: volumeID, in: place, by: deadline)
  }

  package func check(
    _ name: String, owner volumeID: String, in base: UnderFileSystemURI, by deadline: Deadline
  ) async throws(CSIError) {
    try await of(base).check(name, owner: volumeID, in: base, by: deadline)
  }

  package func end(
    _ name: String, owner volumeID: String, in place: ProvisioningPlace, _ action: VolumeContext.OnDelete,
    by deadline: Deadline
  ) async throws(CSIError) {
    try await of(place.base).end(name, owner: volumeID, in: place, action, by: deadline)
  }

  /// Without a UFS it is a question about the directories of this machine.
  package func capacity(of base: UnderFileSystemURI?, by deadline: Deadline) async throws(CSIError) -> UInt64 {
    try await (base.map(of) ?? local).capacity(of: base, by: deadline)
  }
}
