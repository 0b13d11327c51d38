/// One call, by what rules of access name: two calls with the same are allowed by the same rule.
package struct APICall: Sendable, Hashable, CustomStringConvertible {
  /// Verbs of rules. kubernetes.io/docs/reference/access-authn-authz/authorization.
  package enum Verb: String, Sendable, Hashable, CaseIterable {
    case get, list, watch, create, patch, delete
  }

  package var verb: Verb
  /// Empty for the core group.
  package var group: String
  package var plural: String
  package var subresource: String?
  /// nil for objects in no namespace, and for lists and watches of all of them.
  package var namespace: String?

  package init(
    _ verb: Verb, _ resource: APIResource, subresource: String? = nil, namespace: String? = nil
  ) {
    self.verb = verb
    group = resource.group
    plural = resource.plural
    self.subresource = subresource
    self.namespace = resource.isNamespaced ? namespace : nil
  }

  /// `patch alluxiovolumes.csi.alluxio.com/status`.
  package var description: String {
    let name = group.isEmpty ? plural : "\(plural).\(group)"
    return "\(verb.rawValue) \(name)\(subresource.map { "/\($0)" } ?? "")"
  }
}
