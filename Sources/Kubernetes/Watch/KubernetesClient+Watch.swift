internal import HTTP

extension KubernetesClient {
  /// Tells of all objects of a selection, and then of what happens to them, until the task is cancelled.
  ///
  /// It lists, watches from there, goes on from the last version after an interruption, and lists again when the server has
  /// forgotten that. Between failures it waits, longer each time. Nothing but the end of the task ends it: a rule of access
  /// that is missing may be added, a kind that is not there may be installed.
  /// - Parameter tell: is awaited before the next change; a slow one holds up the server, not this program's memory.
  /// - Throws: `.cancelled`.
  package func watch<Object: KubernetesObject>(
    _ type: Object.Type = Object.self, _ selection: ObjectSelection = ObjectSelection(),
    policy: WatchPolicy = WatchPolicy(), tell: (ObjectChange<Object>) async -> Void
  ) async throws(KubernetesError) {
    var cursor = WatchCursor()
    while true {
      do throws(KubernetesError) {
        switch cursor.step {
        case .list:
          let list: ObjectList<Object> = try await list(type, selection, pageSize: policy.pageSize)
          cursor.listed(version: list.resourceVersion)
          for name in list.unreadable { await tell(.unreadable(name: name)) }
          await tell(.listed(list.items))
        case .watch(let version):
          let start = ContinuousClock.now
          let lines = try await follow(selection, from: version, policy, &cursor, tell)
          if cursor.ended(lines: lines, after: .now - start) { try await back(off: cursor) }
        }
      } catch {
        guard error.kind != .cancelled, !Task.isCancelled else {
          throw KubernetesError(.cancelled, "the watch has ended")
        }
        let isFirstForgotten = error.kind == .expired && cursor.failures == 0
        cursor.failed(error)
        // That a version is too old is no trouble of the server's: it is how a watch that was away begins anew.
        if isFirstForgotten { continue }
        await tell(.interrupted(error))
        try await back(off: cursor, atLeast: error.retryAfter)
      }
    }
  }

  private func back(off cursor: WatchCursor, atLeast least: Duration? = nil) async throws(KubernetesError) {
    try await wait(policy.wait(afterFailures: cursor.failures, random: Double.random(in: 0...1), atLeast: least))
  }

  /// One request for changes, to its end.
  /// - Returns: how many lines came.
  private func follow<Object: KubernetesObject>(
    _ selection: ObjectSelection, from version: String, _ policy: WatchPolicy, _ cursor: inout WatchCursor,
    _ tell: (ObjectChange<Object>) async -> Void
  ) async throws(KubernetesError) -> Int {
    let call = Self.watchCall(Object.resource, selection, from: version, policy)
    let timeouts = HTTPTimeouts(connect: .seconds(5), response: .seconds(30), stall: policy.silence)
    var used = try token.current()
    var hasRefreshed = false
    var lines = 0
    var stream = WatchStream()
    stream.start(request(call, token: used, timeouts: timeouts), by: http)
    // A reader that ends early leaves no connection behind.
    defer { stream.cancel() }
    while true {
      switch await stream.next() {
      case .end: return lines
      case .lost(let error): throw KubernetesError(error, call: call.call)
      case .refused(let response) where response.head.status == 401 && !hasRefreshed && token.refresh(after: used):
        hasRefreshed = true
        used = try token.current()
        stream = WatchStream()
        stream.start(request(call, token: used, timeouts: timeouts), by: http)
      case .refused(let response): throw KubernetesError(response, call: call.call)
      case .line(let bytes):
        lines += 1
        try await take(bytes, call.call, &cursor, tell)
      }
    }
  }

  private func take<Object: KubernetesObject>(
    _ bytes: [UInt8], _ call: APICall, _ cursor: inout WatchCursor, _ tell: (ObjectChange<Object>) async -> Void
  ) async throws(KubernetesError) {
    let line: WatchLine<Object>
    do { line = try Self.decode(bytes) } catch {
      throw KubernetesError(
        .unreadable, "\(call): a line of the watch is not what the API of Kubernetes sends (\(Self.reason(error)))")
    }
    switch line {
    case .applied(let object):
      await tell(.applied(object))
      cursor.advance(to: object.metadata.resourceVersion)
    case .deleted(let object):
      await tell(.removed(object))
      cursor.advance(to: object.metadata.resourceVersion)
    case .bookmark(let version): cursor.advance(to: version)
    case .unreadable(let name, let version):
      await tell(.unreadable(name: name))
      cursor.advance(to: version)
    case .failed(let answer):
      throw KubernetesError(
        status: answer.code ?? 500, answer: answer, retryAfter: answer.details?.retryAfterSeconds, call: call)
    }
  }

  private static func watchCall(
    _ resource: APIResource, _ selection: ObjectSelection, from version: String, _ policy: WatchPolicy
  ) -> Call {
    let parameters =
      selection.parameters + [
        ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
        ("timeoutSeconds", "\(policy.duration.components.seconds)"),
      ]
    let path = resource.path(namespace: selection.namespace)
    return Call(
      call: APICall(.watch, resource, namespace: selection.namespace), method: "GET",
      target: "\(path)?\(URLText.query(parameters))")
  }
}
