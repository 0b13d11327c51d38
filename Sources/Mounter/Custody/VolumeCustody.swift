internal import LinuxSystem
internal import VolumeModel

/// What is kept of a volume for the next mounter, beside its descriptors.
struct VolumeCustody: Sendable, Hashable {
  var status: WorkerStatus
  /// The FUSE_INIT request, reduced to what was granted.
  var fuseInit: [UInt8]
  var granted: UInt64
  /// Of the last worker.
  var generation: UInt32
}

/// A volume with its descriptors, as its mounter has it or a custodian keeps it. Whoever holds one keeps the FUSE connection
/// open.
struct CustodyCopy: Sendable {
  var volume: VolumeCustody
  var descriptors: [DescriptorRole: SharedDescriptor]

  var key: WorkerKey { volume.status.request.key }

  /// In the order of the numbers of the roles.
  var parcel: (roles: [DescriptorRole], descriptors: [SharedDescriptor]) {
    let sorted = descriptors.sorted { $0.key.rawValue < $1.key.rawValue }
    return (sorted.map(\.key), sorted.map(\.value))
  }
}
