import LinuxSystem
import ObjectStoreServers
import TestSupport

@testable import Kubernetes

/// A cluster whose events are read.
struct EventServer {
  let server: KubernetesServer
  let client: KubernetesClient

  init() throws {
    server = try KubernetesServer()
    client = try .toServer(server)
  }

  /// What the kubelet adds for a pod.
  static func context(_ pod: String) -> [String: String] {
    [
      "csi.storage.k8s.io/pod.name": pod, "csi.storage.k8s.io/pod.namespace": "team",
      "csi.storage.k8s.io/pod.uid": "uid-\(pod)", "csi.storage.k8s.io/serviceAccount.name": "default",
    ]
  }

  func events() async throws -> [EventObject] { try await client.list(EventObject.self).items }

  /// Waits for the first events of all these reasons. Events come when something has happened, and nothing else tells.
  func reasons(_ reasons: String..., of pod: String) async throws -> [EventObject] {
    while true {
      let events = try await events().filter { $0.regarding?.uid == "uid-\(pod)" }
      let found = reasons.compactMap { reason in events.first { $0.reason == reason } }
      if found.count == reasons.count { return found }
    }
  }

  /// A kubeconfig file for the server, or for what is in front of it.
  static func kubeconfig(_ url: String, in folder: TemporaryDirectory) throws -> String {
    try folder.write(
      """
      apiVersion: v1
      kind: Config
      current-context: test
      contexts: [{name: test, context: {cluster: test, user: test}}]
      clusters: [{name: test, cluster: {server: "\(url)"}}]
      users: [{name: test, user: {}}]
      """, to: "kubeconfig")
    return folder.appending("kubeconfig")
  }
}
