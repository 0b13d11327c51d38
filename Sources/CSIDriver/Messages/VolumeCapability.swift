/// How a volume may be used (CSI `VolumeCapability`), as a request says it: call ``checkOffered(in:)`` first.
package struct VolumeCapability: Sendable, Hashable {
  /// A block device, which is refused, or a mounted file system.
  package enum AccessType: Sendable, Hashable {
    case block
    case mount(MountVolume)
  }

  /// How the volume is to be mounted.
  package struct MountVolume: Sendable, Hashable {
    /// Empty, or a name that the driver accepts.
    package var fileSystemType: String
    /// May be sensitive: never in a log or a message.
    package var mountFlags: [String]
    /// Empty: none.
    package var volumeMountGroup: String

    package init(fileSystemType: String = "", mountFlags: [String] = [], volumeMountGroup: String = "") {
      self.fileSystemType = fileSystemType
      self.mountFlags = mountFlags
      self.volumeMountGroup = volumeMountGroup
    }
  }

  /// CSI `AccessMode.Mode`, with its numbers.
  package enum AccessMode: UInt32, Sendable, Hashable, CaseIterable {
    /// Not given, or a number that this version does not know.
    case unknown = 0
    case singleNodeWriter = 1
    case singleNodeReaderOnly = 2
    case multiNodeReaderOnly = 3
    case multiNodeSingleWriter = 4
    case multiNodeMultiWriter = 5
    /// Kubernetes' ReadWriteOncePod: one target at a time.
    case singleNodeSingleWriter = 6
    case singleNodeMultiWriter = 7

    package var isReadOnly: Bool { self == .singleNodeReaderOnly || self == .multiNodeReaderOnly }
  }

  /// Nil: not given.
  package var accessType: AccessType?
  package var accessMode: AccessMode

  package init(accessType: AccessType?, accessMode: AccessMode) {
    self.accessType = accessType
    self.accessMode = accessMode
  }

  /// Whether volumes of this driver can be used so: any mode, as a file system.
  /// - Parameter field: the request's name for it, for the error.
  package func checkOffered(in field: String = "volume_capability") throws(CSIError) {
    switch accessType {
    case nil: throw .missingField("\(field).access_type")
    case .block:
      throw .unsupportedCapability(
        reason:
          "\(field) asks for block access, which files in an under file system cannot give: set volumeMode: Filesystem")
    case .mount: break
    }
    guard accessMode != .unknown else { throw .missingField("\(field).access_mode") }
  }
}
