internal import MounterProtocol
internal import ProtobufC
internal import VolumeModel

/// A volume on its way to another holder.
extension VolumeCustody {
  init(wire: borrowing MessageView<Mounter__V1__VolumeCustody>) throws(MissingField) {
    unsafe self.init(
      status: try Wire.status(unsafe wire.status), fuseInit: unsafe wire.fuse_init, granted: unsafe wire.granted_flags,
      generation: unsafe wire.generation)
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__VolumeCustody>) {
    unsafe status.fill(wire.make(\.status, mounter__v1__status__init))
    unsafe wire.fuse_init = fuseInit
    unsafe wire.granted_flags = granted
    unsafe wire.generation = generation
  }
}

extension NodeCustody {
  init(wire: borrowing MessageView<Mounter__V1__NodeCustody>) throws(MissingField) {
    unsafe self.init(key: try Wire.key(unsafe wire.key), node: unsafe wire.node, isReleased: wire.flag(\.released))
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__NodeCustody>) {
    unsafe key.fill(wire.make(\.key, mounter__v1__key__init))
    unsafe wire.node = node
    unsafe wire.setFlag(\.released, isReleased)
  }
}

extension CustodyReport {
  init(wire: borrowing MessageView<Mounter__V1__Custodians>) {
    self.init(
      custodians: unsafe wire.strings(\.n_names, \.names), missing: unsafe wire.strings(\.n_missing, \.missing))
  }

  func fill(_ wire: MessageBuilder<Mounter__V1__Custodians>) {
    unsafe wire.setStrings(\.n_names, \.names, custodians.map(withoutNul))
    unsafe wire.setStrings(\.n_missing, \.missing, missing.map(withoutNul))
  }
}
