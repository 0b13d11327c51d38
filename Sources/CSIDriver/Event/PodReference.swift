internal import Kubernetes
internal import VolumeModel

/// The pod that a target was published for, as the kubelet names it where the CSIDriver object has `podInfoOnMount`.
package struct PodReference: Codable, Sendable, Hashable {
  package var name: String
  package var namespace: String
  package var uid: String

  package init(name: String, namespace: String, uid: String) {
    self.name = name
    self.namespace = namespace
    self.uid = uid
  }

  /// - Parameter context: of a publish request.
  /// - Returns: nil where the kubelet says nothing of the pod.
  package init?(volumeContext context: [String: String]) {
    func word(_ key: String) -> String? {
      // Kubernetes allows 253 bytes for names.
      context[key].flatMap { $0.isEmpty || $0.utf8.count > 253 ? nil : $0 }
    }
    guard let name = word(VolumeContextKey.podName), let namespace = word(VolumeContextKey.podNamespace),
      let uid = word(VolumeContextKey.podUID)
    else { return nil }
    self.init(name: name, namespace: namespace, uid: uid)
  }

  /// For events.
  var object: ObjectReference {
    ObjectReference(apiVersion: "v1", kind: "Pod", namespace: namespace, name: name, uid: uid)
  }
}
