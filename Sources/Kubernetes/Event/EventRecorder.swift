internal import FoundationEssentials
internal import LinuxSystem

/// Sends events about objects, in the background: who records one never waits and never fails for it.
///
/// Repeated events become counts of the first, and events about one object are bounded (``EventPolicy``). What cannot be
/// sent is told to `onFailure` and forgotten.
package final class EventRecorder: Sendable {
  private let client: KubernetesClient
  private let controller: String
  private let instance: String
  private let policy: EventPolicy
  private let onFailure: @Sendable (KubernetesError) -> Void
  private let queue: AsyncStream<ObjectEvent>
  private let entrance: AsyncStream<ObjectEvent>.Continuation

  /// Events that wait to be sent; more are dropped.
  static let queueLimit = 256

  /// - Parameters:
  ///   - controller: which program tells it, a qualified name: `csi.alluxio.com/controller`.
  ///   - instance: which one of them: the pod's name, or the node's.
  package init(
    _ client: KubernetesClient, controller: String, instance: String, policy: EventPolicy = EventPolicy(),
    onFailure: @escaping @Sendable (KubernetesError) -> Void = { _ in }
  ) {
    self.client = client
    self.controller = Self.cut(controller, to: 128)
    self.instance = Self.cut(instance, to: 128)
    self.policy = policy
    self.onFailure = onFailure
    (queue, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.queueLimit))
  }

  /// Has an event sent soon. Once ``finish()`` was called it does nothing.
  package func record(_ event: ObjectEvent) { entrance.yield(event) }

  /// Takes no more events: ``run()`` ends when it has sent those that wait.
  package func finish() { entrance.finish() }

  /// Sends what is recorded, until ``finish()`` or the end of the task. Once.
  package func run() async {
    var budget = EventBudget(policy)
    for await event in queue {
      do throws(KubernetesError) {
        switch budget.decide(event, now: .now) {
        case .create: budget.created(event, name: try await create(event))
        case .count(let count, let name):
          guard try await !update(event, name: name, count: count) else { continue }
          // The server forgets events after an hour.
          budget.lost(event)
          if case .create = budget.decide(event, now: .now) { budget.created(event, name: try await create(event)) }
        case .withhold: break
        }
      } catch {
        budget.lost(event)
        if error.kind != .cancelled { onFailure(error) }
      }
    }
  }

  private func create(_ event: ObjectEvent) async throws(KubernetesError) -> String {
    let unique = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    let name = "\(event.regarding.name.map { Self.cut($0, to: 200) } ?? "object").\(unique)"
    let object = EventObject(
      metadata: ObjectMetadata(name: name, namespace: Self.namespace(of: event)), eventTime: Self.now(),
      reportingController: controller, reportingInstance: instance, action: Self.cut(event.action, to: 128),
      reason: Self.cut(event.reason, to: 128), regarding: event.regarding, note: Self.cut(event.note, to: 1024),
      type: event.severity.rawValue)
    do throws(KubernetesError) { _ = try await client.create(object) } catch {
      // By an attempt whose answer was lost: nobody else has this name.
      guard error.kind == .exists else { throw error }
    }
    return name
  }

  /// - Returns: false where the event is no longer there.
  private func update(_ event: ObjectEvent, name: String, count: Int) async throws(KubernetesError) -> Bool {
    struct Patch: Encodable { var series: EventObject.Series }
    let patch = Patch(series: EventObject.Series(count: count, lastObservedTime: Self.now()))
    do throws(KubernetesError) {
      _ = try await client.patch(EventObject.self, name: name, namespace: Self.namespace(of: event), with: patch)
      return true
    } catch {
      guard error.kind == .absent else { throw error }
      return false
    }
  }

  /// Events live beside what they are about; those about objects without a namespace in `default`.
  private static func namespace(of event: ObjectEvent) -> String { event.regarding.namespace ?? "default" }

  /// At most so many bytes, and whole characters.
  private static func cut(_ text: String, to limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var result = text.prefix(limit)
    while result.utf8.count > limit { result.removeLast() }
    return String(result)
  }

  /// This moment with microseconds: the API takes six digits, no more and no fewer.
  private static func now() -> String {
    let time = WallClock.coarseNanoseconds
    let (seconds, nanoseconds) = time.quotientAndRemainder(dividingBy: 1_000_000_000)
    let date = Date(timeIntervalSince1970: Double(seconds)).formatted(Date.ISO8601FormatStyle())
    let digits = String(nanoseconds / 1000)
    return "\(date.dropLast()).\(String(repeating: "0", count: 6 - digits.count))\(digits)Z"
  }
}
