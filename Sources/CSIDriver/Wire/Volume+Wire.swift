internal import CSIProtocol
internal import ProtobufC

// Messages that several calls carry, from and to their wire form.
// SAFETY, everywhere here: views are lent for the time of a read, builders own what they point to, and values are copies.

extension VolumeCapability {
  /// An access mode that this version does not know reads as `unknown` and is refused later, by name.
  init(_ view: borrowing MessageView<Csi__V1__VolumeCapability>) {
    unsafe self.init(accessType: Self.accessType(view), accessMode: Self.accessMode(view))
  }

  private static func accessMode(_ view: borrowing MessageView<Csi__V1__VolumeCapability>) -> AccessMode {
    let message: MessageView<Csi__V1__VolumeCapability__AccessMode>? = unsafe view.access_mode
    guard let message = unsafe message else { return .unknown }
    // The C enumeration may be signed: a sender may put any number there.
    return unsafe UInt32(exactly: Int64(message.mode.rawValue)).flatMap(AccessMode.init(rawValue:)) ?? .unknown
  }

  private static func accessType(_ view: borrowing MessageView<Csi__V1__VolumeCapability>) -> AccessType? {
    switch unsafe view.access_type_case {
    case CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK: return .block
    case CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT:
      let mount: MessageView<Csi__V1__VolumeCapability__MountVolume>? = unsafe view.mount
      guard let mount = unsafe mount else { return nil }
      return unsafe .mount(
        MountVolume(
          fileSystemType: mount.fs_type, mountFlags: mount.strings(\.n_mount_flags, \.mount_flags),
          volumeMountGroup: mount.volume_mount_group))
    default: return nil
    }
  }
}

extension VolumeCapability? {
  init(_ view: consuming MessageView<Csi__V1__VolumeCapability>?) {
    if let view = unsafe view { self = unsafe VolumeCapability(view) } else { self = nil }
  }
}

extension CapacityRange? {
  init(_ view: consuming MessageView<Csi__V1__CapacityRange>?) {
    if let view = unsafe view { self = unsafe CapacityRange(view) } else { self = nil }
  }
}

extension CapacityRange {
  init(_ view: borrowing MessageView<Csi__V1__CapacityRange>) {
    unsafe self.init(required: view.required_bytes, limit: view.limit_bytes)
  }
}

extension VolumeCondition {
  func write(to builder: MessageBuilder<Csi__V1__VolumeCondition>) {
    unsafe builder.setFlag(\.abnormal, abnormal)
    unsafe builder.message = message
  }
}
