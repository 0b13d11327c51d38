package import Kubernetes
package import Logging
internal import Synchronization
internal import VolumeModel

/// Puts what happens to volumes beside the pods that use them and their claims, as events of Kubernetes, in the background.
///
/// Nobody waits for it: what the server does not take in time is dropped. It is bounded for each pod and claim, each volume
/// and in all (``EventPolicy``), and its trouble is logged once for each kind of trouble.
package final class VolumeEvents: Sendable {
  private let nodeID: String
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
    self.nodeID = nodeID
    let troubles = Mutex<Set<KubernetesError.Kind>>([])
    recorder = EventRecorder(client, controller: "\(driver)/node", instance: nodeID, policy: policy) { error in
      guard troubles.withLock({ $0.insert(error.kind).inserted }) else { return }
      logger.warning(
        "events of pods and claims are not taken, which is said once; volumes do not depend on them",
        metadata: ["reason": "\(error)"])
    }
  }

  /// Sends what is told, until the task is cancelled. Once.
  package func run() async {
    await recorder.run()
    client.shutdown()
  }

  func tell(_ news: VolumeNews, of volumeID: String, to pods: Set<PodReference>, and claims: Set<ClaimReference>) {
    // Pods may be more than may be told; a claim is one as a rule. Who reads it does not see the node otherwise.
    for claim in claims.sorted(by: { $0.name < $1.name }) {
      record(news, of: volumeID, place: " on node \(nodeID)", beside: claim.object)
    }
    // Always the same ones.
    for pod in pods.sorted(by: { $0.uid < $1.uid }) { record(news, of: volumeID, place: "", beside: pod.object) }
  }

  private func record(_ news: VolumeNews, of volumeID: String, place: String, beside object: ObjectReference) {
    recorder.record(
      ObjectEvent(
        regarding: object, severity: news.reason.isWarning ? .warning : .normal, reason: news.reason.rawValue,
        action: "ServeVolume", note: "volume \(volumeID)\(place): \(news.sentence)", subject: volumeID))
  }
}
