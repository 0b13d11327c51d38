internal import LinuxSystem
internal import SystemPackage

/// Sizes that hold for every socket of the mounter's protocol.
enum Packet {
  /// The largest message: a mount request with paths of 4096 bytes and many roots. A packet is allocated whole.
  static let maximumBytes = 64 << 10
  /// The largest report of a worker: a reason of 4096 characters.
  static let maximumReportBytes = 20 << 10
  /// The most descriptors beside one packet.
  static let maximumDescriptors = 16
  /// The largest content of a secrets memfd.
  static let maximumSecretBytes = 256 << 10

  /// Descriptors by what they are; those of an unknown role are closed, the last of two of one role holds.
  static func byRole(
    _ descriptors: [SharedDescriptor], _ roles: [DescriptorRole?]
  ) -> [DescriptorRole: SharedDescriptor] {
    var named: [DescriptorRole: SharedDescriptor] = [:]
    for (descriptor, role) in zip(descriptors, roles) {
      if let role { named[role] = descriptor }
    }
    return named
  }
}
