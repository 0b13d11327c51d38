internal import CSIProtocol
internal import ProtobufC

extension VolumeCapability {
  /// Builds CSI `VolumeCapability`.
  func fill(_ builder: MessageBuilder<Csi__V1__VolumeCapability>) {
    switch accessType {
    case .block:
      unsafe builder.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_BLOCK
      unsafe builder.make(\.block, csi__v1__volume_capability__block_volume__init)
    case .mount(let volume):
      unsafe builder.access_type_case = CSI__V1__VOLUME_CAPABILITY__ACCESS_TYPE_MOUNT
      let mount = unsafe builder.make(\.mount, csi__v1__volume_capability__mount_volume__init)
      unsafe mount.fs_type = volume.fileSystemType
      unsafe mount.setStrings(\.n_mount_flags, \.mount_flags, volume.mountFlags)
      unsafe mount.volume_mount_group = volume.volumeMountGroup
    case nil: break
    }
    unsafe builder.make(\.access_mode, csi__v1__volume_capability__access_mode__init).mode =
      Csi__V1__VolumeCapability__AccessMode__Mode(rawValue: .init(accessMode.rawValue))
  }
}

extension Volume {
  /// Builds CSI `Volume`.
  func fill(_ builder: MessageBuilder<Csi__V1__Volume>) {
    unsafe builder.volume_id = id
    unsafe builder.capacity_bytes = capacityBytes
    unsafe builder.setMap(
      \.n_volume_context, \.volume_context, context, csi__v1__volume__volume_context_entry__init, \.key, \.value)
  }
}
