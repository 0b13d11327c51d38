package import Kubernetes
package import Logging

/// Keeps pods off a node until volumes can be used there: an administrator starts nodes with a taint, and the plugin takes
/// it away once the mounter answers and the kubelet lists the driver. Once; a taint that comes later stays.
package struct StartupTaint: Sendable {
  /// What the documents call it.
  package static let usualKey = "alluxio/agent-not-ready"

  private let key: String
  private let driver: String
  private let nodeID: String
  private let client: KubernetesClient
  private let mounterAnswers: @Sendable () async -> Bool
  private let logger: Logger

  /// Between two looks at what comes by itself, and between two attempts where something is wrong.
  static let registering = RetryPolicy(firstWait: .milliseconds(500), longestWait: .seconds(10))
  static let failing = RetryPolicy(firstWait: .seconds(1), longestWait: .seconds(60))

  /// - Parameters:
  ///   - nodeID: the node's name in Kubernetes.
  ///   - mounterAnswers: asks with a deadline.
  package init(
    key: String, driver: String, nodeID: String, client: KubernetesClient,
    mounterAnswers: @escaping @Sendable () async -> Bool, logger: Logger
  ) {
    (self.key, self.driver, self.nodeID, self.client) = (key, driver, nodeID, client)
    self.mounterAnswers = mounterAnswers
    self.logger = logger
  }

  /// The part before a slash is a name of the DNS, the one behind it begins and ends with a letter or digit.
  /// kubernetes.io/docs/concepts/overview/working-with-objects/labels.
  package static func isValidKey(_ key: String) -> Bool {
    let parts = key.split(separator: "/", omittingEmptySubsequences: false)
    guard let name = parts.last, parts.count <= 2 else { return false }
    func isAlphanumeric(_ byte: UInt8?) -> Bool {
      byte.map { $0 < 0x80 && (Unicode.Scalar($0).properties.isAlphabetic || (0x30...0x39).contains($0)) } ?? false
    }
    func isName(_ text: Substring, limit: Int, others: String) -> Bool {
      text.utf8.count <= limit && isAlphanumeric(text.utf8.first) && isAlphanumeric(text.utf8.last)
        && text.utf8.allSatisfy { isAlphanumeric($0) || others.utf8.contains($0) }
    }
    return isName(name, limit: 63, others: "-_.")
      && (parts.count == 1 || isName(parts[0], limit: 253, others: "-.") && parts[0] == parts[0].lowercased())
  }

  /// Returns when the taint is gone, or was not there, or when its task is cancelled; whatever is wrong is logged once and
  /// tried again.
  package func remove() async {
    defer { client.shutdown() }
    var told: Set<String> = []
    var failures = 0
    while let obstacle = await attempt() {
      guard obstacle.kind != .cancelled else { return }
      if told.insert(obstacle.kind.map { "\($0)" } ?? obstacle.reason).inserted { tell(obstacle) }
      failures += 1
      let policy = obstacle.kind == nil ? Self.registering : Self.failing
      do throws(KubernetesError) { try await client.wait(afterFailures: failures, policy) } catch { return }
    }
  }

  /// Why the taint is still there.
  private struct Obstacle {
    /// Nil for what comes by itself.
    var kind: KubernetesError.Kind?
    var reason: String
  }

  private func tell(_ obstacle: Obstacle) {
    let metadata: Logger.Metadata = ["taint": "\(key)", "node": "\(nodeID)", "reason": "\(obstacle.reason)"]
    guard obstacle.kind != nil else {
      return logger.info("the startup taint stays until volumes can be used on this node", metadata: metadata)
    }
    logger.warning(
      "the startup taint cannot be removed and pods stay away from this node; it is tried again, and said once",
      metadata: metadata)
  }

  /// - Returns: nil when there is nothing more to do.
  private func attempt() async -> Obstacle? {
    guard await mounterAnswers() else { return Obstacle(reason: "the mounter does not answer yet") }
    do throws(KubernetesError) {
      guard try await isRegistered() else {
        return Obstacle(reason: "the kubelet has not registered \(driver) yet: the node's CSINode does not list it")
      }
      let wasThere = try await client.change(NodeObject.self, name: nodeID) { $0.removal(ofTaints: key) }
      logger.info(
        wasThere ? "volumes can be used: the startup taint is removed" : "this node has no startup taint",
        metadata: ["taint": "\(key)", "node": "\(nodeID)"])
      return nil
    } catch {
      return Obstacle(kind: error.kind, reason: "\(error)")
    }
  }

  private func isRegistered() async throws(KubernetesError) -> Bool {
    do throws(KubernetesError) {
      return try await client.get(CSINodeObject.self, name: nodeID).lists(driver)
    } catch {
      // The kubelet makes it with the first driver.
      guard error.kind == .absent else { throw error }
      return false
    }
  }
}
