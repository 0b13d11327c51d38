/// A step of a JSON patch. RFC 6902.
package enum JSONPatchStep: Sendable, Hashable {
  /// The patch is not applied unless this is the text at a path.
  case test(path: String, is: String)
  /// What is at a path goes; of a list, what is behind it moves up.
  case remove(path: String)
}

extension JSONPatchStep: Encodable {
  private enum CodingKeys: String, CodingKey { case op, path, value }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .test(let path, let value):
      try container.encode("test", forKey: .op)
      try container.encode(path, forKey: .path)
      try container.encode(value, forKey: .value)
    case .remove(let path):
      try container.encode("remove", forKey: .op)
      try container.encode(path, forKey: .path)
    }
  }
}

extension KubernetesClient {
  /// Reads an object, makes a JSON patch for it, whose tests say what of it must still be so, and begins anew where it no
  /// longer was. Other parts of the object may change meanwhile as they like, and keep what this program does not know.
  /// - Parameter steps: all are done, or none; an empty list leaves the object as it is.
  /// - Returns: whether there was anything to do.
  /// - Throws: `.absent`; `.invalid` or `.conflict` when others were faster every time.
  package func change<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, name: String, namespace: String? = nil,
    bySteps steps: @Sendable (Object) -> [JSONPatchStep]
  ) async throws(KubernetesError) -> Bool {
    var failures = 0
    while true {
      let object: Object = try await get(name: name, namespace: namespace)
      let patch = steps(object)
      guard !patch.isEmpty else { return false }
      do throws(KubernetesError) {
        try await send(patch, to: object)
        return true
      } catch {
        failures += 1
        // 422: what a test says is no longer so, or what is to be removed is not there.
        guard error.status == 422 || error.kind == .conflict, failures < policy.attempts else { throw error }
      }
      try await wait(afterFailures: failures, policy)
    }
  }

  private func send<Object: KubernetesObject>(
    _ steps: [JSONPatchStep], to object: Object
  ) async throws(KubernetesError) {
    let place = place(of: Object.self, object.metadata.namespace)
    try await send(
      Call(
        call: APICall(.patch, Object.resource, namespace: place), method: "PATCH",
        target: Object.resource.path(namespace: place, name: object.metadata.name), body: try Self.encode(steps),
        contentType: "application/json-patch+json", isRepeatable: false), decode: { _ in })
  }
}
