package import Kubernetes
package import Logging
internal import Synchronization
internal import VolumeModel

/// Puts what happens to volumes beside the pods that use them, as events of Kubernetes, in the background.
///
/// Nobody waits for it: what the server does not take in time is dropped. It is bounded for each pod, each volume and in
/// all (``EventPolicy``), and its trouble is logged once for each kind of trouble.
package final class PodEvents: Sendable {
  private let client: KubernetesClient
  private let recorder: EventRecorder

  /// Attempts for one event and how long they may take together: the next ones wait meanwhile.
  package static let patience = RetryPolicy(attempts: 3, patience: .seconds(15))

  /// - Parameters:
  ///   - client: with ``patience``, or other patience for tests.
  ///   - controller: the driver's name.
  package init(
    _ client: KubernetesClient, driver: String, nodeID: String, policy: EventPolicy = EventPolicy(), logger: Logger
  ) {
    self.client = client
    let troubles = Mutex<Set<KubernetesError.Kind>>([])
    recorder = EventRecorder(client, controller: "\(driver)/node", instance: nodeID, policy: policy) { error in
      guard troubles.withLock({ $0.insert(error.kind).inserted }) else { return }
      logger.warning(
        "events of pods are not taken, which is said once; volumes do not depend on them",
        metadata: ["reason": "\(error)"])
    }
  }

  /// Sends what is told, until the task is cancelled. Once.
  package func run() async {
    await recorder.run()
    client.shutdown()
  }

  func tell(_ news: VolumeNews, of volumeID: String, to pods: Set<PodReference>) {
    // Always the same ones, where there are more than may be told.
    for pod in pods.sorted(by: { $0.uid < $1.uid }) {
      recorder.record(
        ObjectEvent(
          regarding: ObjectReference(
            apiVersion: "v1", kind: "Pod", namespace: pod.namespace, name: pod.name, uid: pod.uid),
          severity: news.reason.isWarning ? .warning : .normal, reason: news.reason.rawValue, action: "ServeVolume",
          note: "volume \(volumeID): \(news.sentence)", subject: volumeID))
    }
  }
}
