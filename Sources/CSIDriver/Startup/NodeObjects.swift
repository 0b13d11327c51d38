internal import Kubernetes

/// core/v1 Node: that there is one, and the parts that a startup taint needs.
struct NodeObject: KubernetesObject {
  static let resource = APIResource(group: "", version: "v1", kind: "Node", plural: "nodes", isNamespaced: false)

  struct Spec: Codable, Sendable, Hashable {
    var taints: [Taint]?
  }

  struct Taint: Codable, Sendable, Hashable {
    var key: String
  }

  var metadata: ObjectMetadata
  var spec: Spec?

  /// What takes all taints of a key away, whatever effects they have, as long as they stand where they were read.
  func removal(ofTaints key: String) -> [JSONPatchStep] {
    let found = (spec?.taints ?? []).indices.filter { spec?.taints?[$0].key == key }
    // The last one first: those before it stay where they are.
    return found.reversed().flatMap { index -> [JSONPatchStep] in
      let path = "/spec/taints/\(index)"
      return [.test(path: "\(path)/key", is: key), .remove(path: path)]
    }
  }
}

/// storage.k8s.io/v1 CSINode: the drivers that the kubelet of a node has registered. Its name is the node's.
struct CSINodeObject: KubernetesObject {
  static let resource = APIResource(
    group: "storage.k8s.io", version: "v1", kind: "CSINode", plural: "csinodes", isNamespaced: false)

  struct Spec: Codable, Sendable, Hashable {
    var drivers: [Driver]?
  }

  struct Driver: Codable, Sendable, Hashable {
    var name: String
  }

  var metadata: ObjectMetadata
  var spec: Spec?

  func lists(_ driver: String) -> Bool { spec?.drivers?.contains { $0.name == driver } ?? false }
}
