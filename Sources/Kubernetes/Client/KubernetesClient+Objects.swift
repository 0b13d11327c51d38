internal import FoundationEssentials

// One object at a time.
extension KubernetesClient {
  /// Reads an object.
  /// - Throws: `.absent`.
  package func get<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, name: String, namespace: String? = nil
  ) async throws(KubernetesError) -> Object {
    let place = place(of: type, namespace)
    return try await send(
      Call(
        call: APICall(.get, Object.resource, namespace: place), method: "GET",
        target: Object.resource.path(namespace: place, name: name)), decode: Self.decode)
  }

  /// Makes an object, once at most.
  /// - Returns: the object as the server has it.
  /// - Throws: `.exists`; `.unavailable` with `mayHaveHappened` where nobody knows.
  package func create<Object: KubernetesObject>(_ object: Object) async throws(KubernetesError) -> Object {
    let place = place(of: Object.self, object.metadata.namespace)
    return try await send(
      Call(
        call: APICall(.create, Object.resource, namespace: place), method: "POST",
        target: Object.resource.path(namespace: place), body: try Self.encode(SentObject(object: object)),
        isRepeatable: false), decode: Self.decode)
  }

  /// Changes parts of an object by a JSON merge patch: members that are there replace, `null` removes. RFC 7386.
  /// - Parameters:
  ///   - patch: without `metadata.resourceVersion`, it is applied to whatever is there; with it, to that version alone.
  ///   - subresource: `status`, whose changes leave everything else alone.
  /// - Returns: the object as the server has it now.
  /// - Throws: `.absent`; `.conflict` when the patch names a version and the object has another.
  package func patch<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, name: String, namespace: String? = nil, subresource: String? = nil,
    with patch: some Encodable
  ) async throws(KubernetesError) -> Object {
    let place = place(of: type, namespace)
    return try await send(
      Call(
        call: APICall(.patch, Object.resource, subresource: subresource, namespace: place), method: "PATCH",
        target: Object.resource.path(namespace: place, name: name, subresource: subresource),
        body: try Self.encode(patch), contentType: "application/merge-patch+json"), decode: Self.decode)
  }

  /// Reads an object, makes a patch for the version that was read, and begins anew when somebody else was faster.
  /// - Parameter change: nil leaves the object as it is.
  /// - Returns: the object as the server has it.
  /// - Throws: `.absent`, what `change` throws, and `.conflict` when others were faster every time.
  package func change<Object: KubernetesObject, Content: Encodable & Sendable>(
    _ type: Object.Type = Object.self, name: String, namespace: String? = nil, subresource: String? = nil,
    _ change: @Sendable (Object) throws(KubernetesError) -> Content?
  ) async throws(KubernetesError) -> Object {
    var conflicts = 0
    while true {
      let object: Object = try await get(name: name, namespace: namespace)
      guard let content = try change(object) else { return object }
      do throws(KubernetesError) {
        return try await patch(
          name: name, namespace: namespace, subresource: subresource,
          with: VersionedPatch(content: content, version: object.metadata.resourceVersion))
      } catch {
        conflicts += 1
        guard error.kind == .conflict, conflicts < policy.attempts else { throw error }
      }
      try await wait(policy.wait(afterFailures: conflicts, random: Double.random(in: 0...1)))
    }
  }

  /// Removes an object, or asks for its removal where finalizers keep it.
  /// - Parameter version: removes it only as this version; nil: whatever is there.
  /// - Throws: `.absent` when it is not there, which a repeated call may find too; `.conflict` for another version.
  package func delete<Object: KubernetesObject>(
    _ type: Object.Type, name: String, namespace: String? = nil, version: String? = nil
  ) async throws(KubernetesError) {
    let place = place(of: type, namespace)
    let body = try version.map { (version) throws(KubernetesError) in
      try Self.encode(DeleteOptions(preconditions: DeleteOptions.Preconditions(resourceVersion: version)))
    }
    try await send(
      Call(
        call: APICall(.delete, Object.resource, namespace: place), method: "DELETE",
        target: Object.resource.path(namespace: place, name: name), body: body), decode: { _ in })
  }

  /// The namespace that a call is made in: the client's own where an object needs one and none was said.
  func place<Object: KubernetesObject>(of type: Object.Type, _ namespace: String?) -> String? {
    Object.resource.isNamespaced ? namespace ?? access.namespace : nil
  }

  @Sendable static func decode<Value: Decodable>(_ bytes: [UInt8]) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(bytes))
  }

  static func encode(_ value: some Encodable) throws(KubernetesError) -> [UInt8] {
    do { return Array(try JSONEncoder().encode(value)) } catch {
      throw KubernetesError(.invalid, "what was to be sent cannot be written as JSON")
    }
  }
}

/// A merge patch for one version of an object.
private struct VersionedPatch<Content: Encodable & Sendable>: Encodable {
  var content: Content
  var version: String?

  private enum CodingKeys: String, CodingKey { case metadata }
  private enum MetadataKeys: String, CodingKey { case resourceVersion }

  func encode(to encoder: any Encoder) throws {
    try content.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    // Also where the content has metadata of its own: both write into one object.
    var metadata = container.nestedContainer(keyedBy: MetadataKeys.self, forKey: .metadata)
    try metadata.encodeIfPresent(version, forKey: .resourceVersion)
  }
}

/// meta/v1 DeleteOptions.
private struct DeleteOptions: Encodable {
  struct Preconditions: Encodable { var resourceVersion: String }

  var apiVersion = "v1"
  var kind = "DeleteOptions"
  var preconditions: Preconditions
}
