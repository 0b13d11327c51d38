/// An object of the API that this program knows the shape of. `apiVersion` and `kind` come from the resource; fields that
/// the type does not have are left out when it is read, so that it must never be written back whole: use patches.
package protocol KubernetesObject: Codable, Sendable {
  /// Where its objects are found.
  static var resource: APIResource { get }
  /// Who it is.
  var metadata: ObjectMetadata { get set }
}

/// Who an object is, and which version of it this one is. The fields that this program has a use for.
package struct ObjectMetadata: Sendable, Hashable, Codable {
  package var name: String
  /// nil for objects that live in no namespace.
  package var namespace: String?
  /// Given by the server; another object of the same name has another one.
  package var uid: String?
  /// Given by the server, with each change another one: not to be looked into.
  package var resourceVersion: String?
  /// Counts the changes of the specification.
  package var generation: Int64?
  /// RFC 3339.
  package var creationTimestamp: String?
  /// RFC 3339; set while finalizers keep the object from going.
  package var deletionTimestamp: String?
  package var labels: [String: String]?
  package var annotations: [String: String]?
  package var finalizers: [String]?

  package init(
    name: String, namespace: String? = nil, labels: [String: String]? = nil, annotations: [String: String]? = nil,
    finalizers: [String]? = nil
  ) {
    self.name = name
    self.namespace = namespace
    self.labels = labels
    self.annotations = annotations
    self.finalizers = finalizers
  }
}

/// What an event is about, or what a claim refers to. The fields of a core/v1 ObjectReference.
package struct ObjectReference: Sendable, Hashable, Codable {
  package var apiVersion: String?
  package var kind: String?
  package var namespace: String?
  package var name: String?
  package var uid: String?
  /// Of the object as it was looked at.
  package var resourceVersion: String?

  package init(
    apiVersion: String? = nil, kind: String? = nil, namespace: String? = nil, name: String? = nil, uid: String? = nil,
    resourceVersion: String? = nil
  ) {
    self.apiVersion = apiVersion
    self.kind = kind
    self.namespace = namespace
    self.name = name
    self.uid = uid
    self.resourceVersion = resourceVersion
  }
}

extension ObjectReference {
  /// A reference to an object as it was read.
  package init(_ object: some KubernetesObject) {
    let resource = type(of: object).resource
    self.init(
      apiVersion: resource.apiVersion, kind: resource.kind, namespace: object.metadata.namespace,
      name: object.metadata.name, uid: object.metadata.uid, resourceVersion: object.metadata.resourceVersion)
  }
}

/// An object with what its type says about all of its kind, as it is sent.
struct SentObject<Object: KubernetesObject>: Encodable {
  var object: Object

  private enum CodingKeys: String, CodingKey { case apiVersion, kind }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Object.resource.apiVersion, forKey: .apiVersion)
    try container.encode(Object.resource.kind, forKey: .kind)
    try object.encode(to: encoder)
  }
}
