package import Kubernetes
internal import LinuxSystem
package import Logging
internal import Synchronization
internal import VolumeModel

/// Makes of what nodes report the status of volumes: watches AlluxioNode objects and writes AlluxioVolume objects, in the
/// background, at a bounded rate.
///
/// What it writes follows from what nodes have reported, so that several controllers that do it write the same: the first
/// does, the others find it done. Its design is in VolumeStatuses.md.
package final class VolumeStatuses: Sendable {
  private struct State {
    var reported: ReportedVolumes
    var queue: StatusQueue
    /// All nodes are known: before that, to write would be to forget.
    var hasListed = false
    var troubles: Set<KubernetesError.Kind> = []
  }

  private let client: KubernetesClient
  private let policy: StatusPolicy
  private let watchPolicy: WatchPolicy
  private let logger: Logger
  private let state: Mutex<State>
  private let bells: AsyncStream<Void>
  private let bell: AsyncStream<Void>.Continuation

  /// Attempts for one call and how long they may take together: what waits meanwhile is not forgotten.
  package static let patience = RetryPolicy(attempts: 4, patience: .seconds(15))
  /// An object of a node has some hundred kilobytes at most: a page stays far below what is taken as an answer.
  package static let watchPolicy = WatchPolicy(pageSize: 50)

  /// - Parameter client: with ``patience``, or other patience for tests.
  package init(
    _ client: KubernetesClient, policy: StatusPolicy = StatusPolicy(), watchPolicy: WatchPolicy = watchPolicy,
    logger: Logger
  ) {
    self.client = client
    self.policy = policy
    self.watchPolicy = watchPolicy
    self.logger = logger
    state = Mutex(State(reported: ReportedVolumes(policy), queue: StatusQueue(policy, now: .now)))
    (bells, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Volumes that wait to be written, and nodes that are known.
  var backlog: (volumes: Int, nodes: Int) { state.withLock { ($0.queue.memory, $0.reported.nodeCount) } }

  /// Until the task is cancelled. Once.
  package func run() async {
    await withTaskGroup { group in
      group.addTask { [self] in await watch() }
      group.addTask { [self] in await write() }
      group.addTask { [self] in await patrol() }
    }
    client.shutdown()
  }

  // MARK: Reports

  private func watch() async {
    _ = try? await client.watch(AlluxioNode.self, policy: watchPolicy) { [self] change in
      take(change)
      bell.yield()
    }
  }

  private func take(_ change: ObjectChange<AlluxioNode>) {
    state.withLock { state in
      let now = Deadline.now
      switch change {
      case .listed(let nodes):
        note(state.reported.list(nodes, now: now), &state)
        state.hasListed = true
      case .applied(let node): note(state.reported.apply(node, now: now), &state)
      case .removed(let node): note(state.reported.remove(node.metadata.name), &state)
      case .unreadable(let name):
        // Of another release: better nothing than what was before.
        note(state.reported.remove(name), &state)
      case .interrupted(let error):
        state.reported.interrupted()
        warn(error, &state)
      }
    }
  }

  private func note(_ changes: [ReportedVolumes.Change], _ state: inout State) {
    let now = Deadline.now
    for change in changes { state.queue.add(change.volumeID, isUrgent: change.isUrgent, now: now) }
  }

  private func warn(_ error: KubernetesError, _ state: inout State) {
    guard error.kind != .cancelled, state.troubles.insert(error.kind).inserted else { return }
    logger.warning(
      "the status of volumes is not kept up to date at the moment, which is said once for each reason",
      metadata: ["reason": "\(error)"])
  }

  // MARK: Writing

  private func write() async {
    let alarm = Alarm(bell)
    for await _ in bells {
      while !Task.isCancelled {
        let step = state.withLock { $0.hasListed ? $0.queue.next(now: .now) : .wait(until: .never) }
        guard case .write(let id) = step else {
          if case .wait(let moment) = step { alarm.set(moment) }
          break
        }
        await write(id)
      }
    }
    alarm.cancel()
  }

  private func write(_ id: String) async {
    do throws(KubernetesError) {
      try await bring(id, upTo: state.withLock { $0.reported.report(of: id) })
      state.withLock { $0.queue.succeeded() }
    } catch {
      state.withLock { state in
        // Another controller was faster every time: what it wrote is as good.
        state.queue.failed(id, isServers: error.kind != .conflict, now: .now, random: .random(in: 0...1))
        if error.kind != .conflict { warn(error, &state) }
      }
    }
  }

  private func bring(_ id: String, upTo report: VolumeReport) async throws(KubernetesError) {
    var object: AlluxioVolume
    do throws(KubernetesError) { object = try await patch(id, report) } catch {
      guard error.kind == .absent else { throw error }
      // A volume that no controller has made: it is there for as long as a node uses it.
      guard report.health.nodeCount > 0, !report.isInline else { return }
      do throws(KubernetesError) { _ = try await client.create(AlluxioVolume(id: id, record: nil)) } catch {
        guard error.kind == .exists else { throw error }
      }
      object = try await patch(id, report)
    }
    guard object.spec.record == nil, object.publications.isEmpty else { return }
    do throws(KubernetesError) {
      try await client.delete(AlluxioVolume.self, name: object.metadata.name, version: object.metadata.resourceVersion)
    } catch {
      // Somebody has begun to use it, or it is gone already.
      guard error.kind == .conflict || error.kind == .absent else { throw error }
    }
  }

  private func patch(_ id: String, _ report: VolumeReport) async throws(KubernetesError) -> AlluxioVolume {
    try await client.change(name: AlluxioVolume.name(of: id), subresource: "status") {
      (object: AlluxioVolume) throws(KubernetesError) -> ReportPatch? in ReportPatch(object, report)
    }
  }

  // MARK: Time

  private func patrol() async {
    var sweep = Deadline.now
    while !Task.isCancelled {
      if sweep.hasPassed, await sweepVolumes() { sweep = .after(policy.sweep) }
      state.withLock { note($0.reported.look(now: .now), &$0) }
      bell.yield()
      await giveUpNodes()
      guard (try? await Task.sleep(for: policy.patrol)) != nil else { break }
    }
    bell.finish()
  }

  /// Finds volumes whose status is not what nodes report: of nodes that went while no controller was there.
  /// - Returns: whether it came to the end.
  private func sweepVolumes() async -> Bool {
    guard state.withLock({ $0.hasListed }) else { return false }
    var token: String?
    repeat {
      do throws(KubernetesError) {
        let (list, next) = try await client.page(AlluxioVolume.self, limit: 100, token: token)
        state.withLock { state in
          state.reported.hear(now: .now)
          for object in list.items where ReportPatch(object, state.reported.report(of: object.spec.volumeID)) != nil {
            state.queue.add(object.spec.volumeID, isUrgent: false, now: .now)
          }
        }
        token = next == token ? nil : next
      } catch {
        state.withLock { warn(error, &$0) }
        return false
      }
    } while token != nil
    return true
  }

  /// Removes the objects of nodes that are no more, and of those that have not reported for very long.
  private func giveUpNodes() async {
    let silent = state.withLock { $0.reported.silent(now: .now) }
    // All nodes may be silent at once: each of them has its turn.
    for node in silent.shuffled().prefix(policy.patrolledNodes) {
      do throws(KubernetesError) {
        if !node.isAbandoned, try await isThere(node.nodeID) { continue }
        try await client.delete(AlluxioNode.self, name: node.name, version: node.version)
        logger.notice("forgot what a node has reported: it is gone or silent", metadata: ["node": "\(node.nodeID)"])
      } catch {
        // Gone already, or it has reported.
        if error.kind != .absent, error.kind != .conflict { state.withLock { warn(error, &$0) } }
      }
    }
  }

  private func isThere(_ nodeID: String) async throws(KubernetesError) -> Bool {
    do throws(KubernetesError) {
      _ = try await client.get(NodeObject.self, name: nodeID)
      return true
    } catch {
      guard error.kind == .absent else { throw error }
      return false
    }
  }
}
