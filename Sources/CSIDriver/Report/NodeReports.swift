internal import FoundationEssentials
package import Kubernetes
internal import LinuxSystem
package import Logging
internal import Synchronization
internal import VolumeModel

/// Keeps the node's AlluxioNode object up to date, in the background: nobody waits for it, and no volume depends on it.
///
/// There is one report at a time, made of what is known when it is sent: a server that is away for long leaves nothing to
/// be sent later. The object is this node's alone, so that a patch of its status is all that is needed.
package final class NodeReports: Sendable {
  private let client: KubernetesClient
  private let nodeID: String
  private let view: MounterView
  private let policy: ReportPolicy
  private let logger: Logger
  private let bells: AsyncStream<Void>
  private let bell: AsyncStream<Void>.Continuation

  /// Attempts for one report and how long they may take together: the next one is newer.
  package static let patience = RetryPolicy(attempts: 2, patience: .seconds(15))

  /// - Parameter client: with ``patience``, or other patience for tests.
  package init(
    _ client: KubernetesClient, nodeID: String, view: MounterView, policy: ReportPolicy = ReportPolicy(), logger: Logger
  ) {
    self.client = client
    self.nodeID = nodeID
    self.view = view
    self.policy = policy
    self.logger = logger
    (bells, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Something may have changed.
  func ring() { bell.yield() }

  /// Reports what `node` knows until the task is cancelled. Once.
  func run(of node: NodeService) async {
    let alarm = Alarm(bell)
    var schedule = ReportSchedule(policy, now: .now)
    var troubles: Set<KubernetesError.Kind> = []
    ring()
    for await _ in bells {
      guard (try? await Task.sleep(for: policy.delay)) != nil else { break }
      let status = await node.reportedStatus(view, policy)
      if case .send = schedule.next(status, now: .now) {
        do throws(KubernetesError) {
          try await write(status)
          schedule.sent(status, now: .now)
        } catch {
          if error.kind == .cancelled { break }
          schedule.failed(now: .now, random: .random(in: 0...1))
          if troubles.insert(error.kind).inserted { warn(error) }
        }
      }
      if case .wait(let moment) = schedule.next(status, now: .now) { alarm.set(moment) } else { ring() }
    }
    alarm.cancel()
    client.shutdown()
  }

  private func warn(_ error: KubernetesError) {
    logger.warning(
      "the node's report is not taken, which is said once; volumes do not depend on it",
      metadata: ["reason": "\(error)"])
  }

  private struct Patch: Encodable { var status: AlluxioNode.Status }

  private func write(_ status: AlluxioNode.Status) async throws(KubernetesError) {
    var status = status
    status.reportedAt = Date.now.formatted(Date.ISO8601FormatStyle())
    do throws(KubernetesError) { return try await patch(status) } catch {
      guard error.kind == .absent else { throw error }
    }
    // A node without volumes has nothing to say.
    if status.volumes?.isEmpty ?? true { return }
    do throws(KubernetesError) { _ = try await client.create(AlluxioNode(nodeID: nodeID)) } catch {
      // By an attempt whose answer was lost: nobody else makes it.
      guard error.kind == .exists else { throw error }
    }
    try await patch(status)
  }

  private func patch(_ status: AlluxioNode.Status) async throws(KubernetesError) {
    _ = try await client.patch(
      AlluxioNode.self, name: AlluxioNode.name(of: nodeID), subresource: "status", with: Patch(status: status))
  }
}

/// Rings a bell at a moment; one moment at a time.
final class Alarm: Sendable {
  private let bell: AsyncStream<Void>.Continuation
  private let task = Mutex<Task<Void, Never>?>(nil)

  init(_ bell: AsyncStream<Void>.Continuation) { self.bell = bell }

  /// Instead of the moment that was set before.
  func set(_ moment: Deadline) {
    let next =
      moment == .never
      ? nil
      : Task { [bell] in if (try? await Task.sleep(for: moment.remaining())) != nil { bell.yield() } }
    replace(by: next)
  }

  func cancel() { replace(by: nil) }

  private func replace(by next: Task<Void, Never>?) {
    task.withLock { task in
      defer { task = next }
      return task
    }?.cancel()
  }
}
