/// Which objects of a kind are meant.
package struct ObjectSelection: Sendable, Hashable {
  /// nil: of all namespaces.
  package var namespace: String?
  /// `key=value,…`; empty: all.
  package var labels: String
  /// `metadata.name=…`; empty: all.
  package var fields: String

  package init(namespace: String? = nil, labels: String = "", fields: String = "") {
    self.namespace = namespace
    self.labels = labels
    self.fields = fields
  }

  /// For the query of lists and watches.
  var parameters: [(name: String, value: String)] {
    [("labelSelector", labels), ("fieldSelector", fields)].filter { !$0.1.isEmpty }
  }
}

extension KubernetesClient {
  /// All objects of a selection, at one moment, asked for in pages so that no answer is large.
  ///
  /// A list that takes so long that the server has forgotten its moment is asked for once more, whole.
  /// - Parameter pageSize: objects per answer.
  package func list<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, _ selection: ObjectSelection = ObjectSelection(), pageSize: Int = 500
  ) async throws(KubernetesError) -> ObjectList<Object> {
    do throws(KubernetesError) {
      return try await pages(selection, limit: pageSize)
    } catch {
      guard error.kind == .expired else { throw error }
      return try await pages(selection, limit: nil)
    }
  }

  /// The pages of a list, one after the other, without keeping them: at most `limit` objects from `token` on.
  /// - Parameter token: of the page before; nil: the first.
  /// - Returns: the objects, and the token of the next page.
  /// - Throws: `.expired` when the token is too old.
  package func page<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, _ selection: ObjectSelection = ObjectSelection(), limit: Int,
    token: String? = nil
  ) async throws(KubernetesError) -> (list: ObjectList<Object>, next: String?) {
    let page: ObjectPage<Object> = try await page(selection, limit: limit, token: token)
    let list = ObjectList(items: page.items, unreadable: page.unreadable, resourceVersion: page.resourceVersion)
    return (list, page.next)
  }

  private func pages<Object: KubernetesObject>(
    _ selection: ObjectSelection, limit: Int?
  ) async throws(KubernetesError) -> ObjectList<Object> {
    var list = ObjectList<Object>(items: [], unreadable: [], resourceVersion: "")
    var token: String?
    repeat {
      let page: ObjectPage<Object> = try await page(selection, limit: limit, token: token)
      list.items += page.items
      list.unreadable += page.unreadable
      list.resourceVersion = page.resourceVersion
      // A server that repeats its token would be asked for ever.
      token = page.next == token ? nil : page.next
    } while token != nil
    return list
  }

  private func page<Object: KubernetesObject>(
    _ selection: ObjectSelection, limit: Int?, token: String?
  ) async throws(KubernetesError) -> ObjectPage<Object> {
    var parameters = selection.parameters
    if let limit { parameters.append(("limit", "\(limit)")) }
    if let token { parameters.append(("continue", token)) }
    let path = Object.resource.path(namespace: selection.namespace)
    let target = parameters.isEmpty ? path : "\(path)?\(URLText.query(parameters))"
    let call = APICall(.list, Object.resource, namespace: selection.namespace)
    return try await send(Call(call: call, method: "GET", target: target), decode: Self.decode)
  }
}
