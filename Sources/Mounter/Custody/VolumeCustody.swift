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

/// What becomes of the descriptor of one file without a name.
struct NodeCustody: Sendable, Hashable {
  var key: WorkerKey
  var node: UInt64
  /// It is needed no more; otherwise it is beside the packet.
  var isReleased = false
}

/// A volume with its descriptors, as its mounter has it or a custodian keeps it. Whoever holds one keeps the FUSE connection
/// open.
struct CustodyCopy: Sendable {
  var volume: VolumeCustody
  var descriptors: [DescriptorRole: SharedDescriptor]
  /// Of files that are in use and have no name any more, by node number.
  var nodes: [UInt64: SharedDescriptor] = [:]

  var key: WorkerKey { volume.status.request.key }

  /// In the order of the numbers of the roles.
  var parcel: (roles: [DescriptorRole], descriptors: [SharedDescriptor]) {
    let sorted = descriptors.sorted { $0.key.rawValue < $1.key.rawValue }
    return (sorted.map(\.key), sorted.map(\.value))
  }
}
