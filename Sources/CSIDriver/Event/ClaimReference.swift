internal import Kubernetes
internal import VolumeModel

/// The claim that a volume was made for, as `csi-provisioner` names it (`--extra-create-metadata`) and the controller hands
/// it on in the volume context. Volumes that it did not make have none, unless their administrator writes the keys.
package struct ClaimReference: Codable, Sendable, Hashable {
  package var name: String
  package var namespace: String
  /// Nil where the volume's name does not say it.
  package var uid: String?

  package init(name: String, namespace: String, uid: String?) {
    self.name = name
    self.namespace = namespace
    self.uid = uid
  }

  /// - Parameters:
  ///   - context: of a publish request, and not of an inline volume's: whoever makes a pod writes that.
  ///   - pod: that the request is for. Its namespace is that of its claims: another one is not believed.
  /// - Returns: nil where nothing or nothing credible is said of a claim.
  package init?(volumeContext context: [String: String], pod: PodReference?) {
    guard let pod, let name = context[VolumeContextKey.claimName], !name.isEmpty, name.utf8.count <= 253,
      context[VolumeContextKey.claimNamespace] == pod.namespace
    else { return nil }
    self.init(
      name: name, namespace: pod.namespace, uid: context[VolumeContextKey.volumeName].flatMap(Self.uid))
  }

  /// The UUID that `csi-provisioner` ends a volume's name with is its claim's, unless it is told to shorten it.
  private static func uid(ofVolume name: String) -> String? {
    let end = name.suffix(36)
    let lengths = end.split(separator: "-", omittingEmptySubsequences: false).map(\.utf8.count)
    let isHex = end.utf8.allSatisfy { UInt8(ascii: "-") == $0 || Character(Unicode.Scalar($0)).isHexDigit }
    return lengths == [8, 4, 4, 4, 12] && isHex ? String(end) : nil
  }

  /// For events. `kubectl describe` shows those with the claim's uid, `kubectl events --for` all.
  var object: ObjectReference {
    ObjectReference(apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: namespace, name: name, uid: uid)
  }
}
