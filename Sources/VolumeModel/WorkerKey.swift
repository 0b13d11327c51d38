/// What one FUSE worker serves: a volume, for one mount group and one credential identity on this node.
/// Pods that differ in any of them get workers of their own (their kernel mounts have different owners or credentials).
package struct WorkerKey: Sendable, Hashable {
  /// CSI `volume_id`, 1 to 128 bytes.
  package var volumeID: String
  /// CSI `volume_mount_group` (a numeric gid), or nil.
  package var mountGroup: String?
  /// Opaque name of the credentials' owner (for example a service account), or nil for the volume's own.
  package var credentialIdentity: String?

  package init(volumeID: String, mountGroup: String? = nil, credentialIdentity: String? = nil) {
    self.volumeID = volumeID
    self.mountGroup = mountGroup
    self.credentialIdentity = credentialIdentity
  }

  /// 32 hexadecimal digits: the name of the worker's folder on the node, of its cgroup and in the mounter's protocol.
  /// Fields are length-prefixed before hashing, so that no two keys share a name.
  package var name: String {
    var text = ""
    for part in [volumeID, mountGroup, credentialIdentity] {
      text += part.map { "\($0.utf8.count):\($0)" } ?? "-"
      text += ";"
    }
    return String(Digest.sha256Hex(text).prefix(32))
  }

  /// By bytes: `==` of `String` takes two spellings of one accented letter for the same, and they are two volumes.
  package static func == (left: WorkerKey, right: WorkerKey) -> Bool {
    same(left.volumeID, right.volumeID) && same(left.mountGroup, right.mountGroup)
      && same(left.credentialIdentity, right.credentialIdentity)
  }

  package func hash(into hasher: inout Hasher) {
    for part in [volumeID, mountGroup, credentialIdentity] { hasher.combine(part.map(ByteKey.init)) }
  }

  private static func same(_ left: String?, _ right: String?) -> Bool {
    guard let left, let right else { return left == nil && right == nil }
    return PathComponents.same(left, right)
  }
}
