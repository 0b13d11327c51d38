/// The fields of CSI's requests that may hold a secret: those that the protocol marks `csi_secret`, those whose text it
/// calls sensitive, and maps in which the kubelet passes tokens. A test compares the first with `Protos/csi.proto`.
package enum SecretFields {
  /// `csi_secret` in the protocol: message and field.
  package static let marked: Set<String> = Set(
    [
      "CreateVolumeRequest", "DeleteVolumeRequest", "ControllerPublishVolumeRequest",
      "ControllerUnpublishVolumeRequest",
      "ValidateVolumeCapabilitiesRequest", "ControllerModifyVolumeRequest", "CreateSnapshotRequest",
      "DeleteSnapshotRequest",
      "ListSnapshotsRequest", "GetSnapshotRequest", "ControllerExpandVolumeRequest", "NodeStageVolumeRequest",
      "NodePublishVolumeRequest", "NodeExpandVolumeRequest", "CreateVolumeGroupSnapshotRequest",
      "DeleteVolumeGroupSnapshotRequest", "GetVolumeGroupSnapshotRequest", "GetMetadataAllocatedRequest",
      "GetMetadataDeltaRequest",
    ].map { "\($0).secrets" })

  /// Not marked, and just as sensitive: "This field MUST NOT be logged" for mount flags, and service-account tokens in
  /// contexts. Parameters are an administrator's, who may have put a key there by mistake.
  package static let sensitive: Set<String> = [
    "VolumeCapability.MountVolume.mount_flags", "CreateVolumeRequest.parameters",
    "CreateVolumeRequest.mutable_parameters",
    "ControllerPublishVolumeRequest.volume_context", "ValidateVolumeCapabilitiesRequest.volume_context",
    "ValidateVolumeCapabilitiesRequest.parameters", "GetCapacityRequest.parameters",
    "NodeStageVolumeRequest.volume_context", "NodeStageVolumeRequest.publish_context",
    "NodePublishVolumeRequest.volume_context", "NodePublishVolumeRequest.publish_context",
  ]
}
