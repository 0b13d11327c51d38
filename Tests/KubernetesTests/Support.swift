import Kubernetes
import ObjectStoreServers
import Synchronization
import TestSupport
import Testing

/// A kind that is there in every cluster, without a status.
struct ConfigMap: KubernetesObject, Hashable {
  static let resource = APIResource(
    group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", isNamespaced: true)
  var metadata: ObjectMetadata
  var data: [String: String]?

  init(_ name: String, namespace: String? = nil, _ data: [String: String] = [:]) {
    metadata = ObjectMetadata(name: name, namespace: namespace)
    self.data = data
  }
}

/// A kind in no namespace, with a status.
struct Widget: KubernetesObject, Hashable {
  static let resource = APIResource(
    group: "example.com", version: "v1", kind: "Widget", plural: "widgets", isNamespaced: false)
  struct Spec: Codable, Hashable { var size: Int }
  struct Status: Codable, Hashable { var phase: String }
  var metadata: ObjectMetadata
  var spec: Spec?
  var status: Status?

  init(_ name: String, size: Int = 1, finalizers: [String]? = nil) {
    metadata = ObjectMetadata(name: name, finalizers: finalizers)
    spec = Spec(size: size)
  }
}

/// A merge patch of a config map.
struct DataPatch: Encodable {
  struct Metadata: Encodable { var resourceVersion: String }
  var metadata: Metadata?
  /// nil removes an entry.
  var data: [String: String?]

  init(_ data: [String: String?], version: String? = nil) {
    self.data = data
    metadata = version.map { Metadata(resourceVersion: $0) }
  }
}

/// Waits that pass at once, and how long they would have been.
final class Waits: Sendable {
  private let all = Mutex<[Duration]>([])
  var durations: [Duration] { all.withLock { $0 } }

  /// For a client.
  var pause: KubernetesClient.Pause {
    { duration in
      self.all.withLock { $0.append(duration) }
      try Task.checkCancellation()
    }
  }
}

extension KubernetesClient {
  /// A client whose waits pass at once.
  convenience init(
    _ url: String, token: ClusterAccess.Token = .none, waits: Waits = Waits(),
    policy: RetryPolicy = .endless,
    observer: @escaping @Sendable (APICall) -> Void = { _ in }
  ) throws {
    try self.init(
      ClusterAccess(server: url, token: token), policy: policy, pause: waits.pause, observer: observer)
  }
}

extension RetryPolicy {
  /// The default, on a machine that is busy with other tests.
  static let endless = RetryPolicy(patience: .seconds(3600))

  /// That, with other attempts.
  static func endless(attempts: Int) -> RetryPolicy { RetryPolicy(attempts: attempts, patience: .seconds(3600)) }
}

/// Awaits an error of the client.
func failure<Value>(
  _ body: () async throws(KubernetesError) -> Value, sourceLocation: SourceLocation = #_sourceLocation
) async -> KubernetesError? {
  do throws(KubernetesError) {
    _ = try await body()
    Issue.record("nothing failed", sourceLocation: sourceLocation)
    return nil
  } catch { return error }
}

/// A watch that has nothing more to tell.
struct WatchEnded: Error {}

/// A watch in a task of its own, and what it tells.
final class Watching<Object: KubernetesObject>: Sendable {
  private let changes: AsyncStream<ObjectChange<Object>>
  private let task: Task<KubernetesError?, Never>

  init(
    _ client: KubernetesClient, _ selection: ObjectSelection = ObjectSelection(), policy: WatchPolicy = WatchPolicy()
  ) {
    let (changes, entrance) = AsyncStream<ObjectChange<Object>>.makeStream()
    self.changes = changes
    task = Task {
      defer { entrance.finish() }
      do throws(KubernetesError) {
        try await client.watch(Object.self, selection, policy: policy) { entrance.yield($0) }
        return nil
      } catch { return error }
    }
  }

  deinit { task.cancel() }

  /// The next change.
  func next() async throws -> ObjectChange<Object> {
    for await change in changes { return change }
    throw WatchEnded()
  }

  /// The next change but interruptions.
  func nextWord() async throws -> String {
    while true {
      let word = word(for: try await next())
      if !word.hasPrefix("interrupted") { return word }
    }
  }

  /// A change in a few words.
  func word(for change: ObjectChange<Object>) -> String {
    switch change {
    case .listed(let objects): "listed \(objects.map(\.metadata.name).sorted().joined(separator: " "))"
    case .applied(let object): "applied \(object.metadata.name)"
    case .removed(let object): "removed \(object.metadata.name)"
    case .unreadable(let name): "unreadable \(name)"
    case .interrupted(let error): "interrupted \(error.kind)"
    }
  }

  /// Cancels it. - Returns: what it ended with.
  func end() async -> KubernetesError? {
    task.cancel()
    return await task.value
  }
}
