internal import Synchronization
internal import VolumeModel

/// The node calls that hold a target path while they run.
package enum TargetCall: String, Sendable, Hashable {
  case publish = "NodePublishVolume"
  case unpublish = "NodeUnpublishVolume"
  case repair = "the repair of its mount"
}

/// Which targets have a call in progress: one at a time per target (DESIGN section 5). A value, so that its rules are
/// tested without calls; `TargetLockTable` shares one.
package struct TargetLocks: Sendable {
  private var running: [ByteKey: TargetCall] = [:]

  package init() {}

  /// Takes the target for `call`.
  /// - Returns: nil when the target is now held, else the call that holds it already.
  package mutating func acquire(_ target: String, for call: TargetCall) -> TargetCall? {
    if let holder = running[ByteKey(target)] { return holder }
    running[ByteKey(target)] = call
    return nil
  }

  /// Gives the target back. Only the call that acquired it may.
  package mutating func release(_ target: String) {
    let held = running.removeValue(forKey: ByteKey(target))
    assert(held != nil, "a target is released by who acquired it")
  }

  /// Who has the target, if anybody.
  package func holder(of target: String) -> TargetCall? { running[ByteKey(target)] }

  /// Targets held at the moment.
  package var count: Int { running.count }
}

/// The target locks of one node service.
package final class TargetLockTable: Sendable {
  private let locks = Mutex(TargetLocks())

  package init() {}

  /// For an owner that has more to hold than a closure. False when a call has the target.
  func tryAcquire(_ target: String, for call: TargetCall) -> Bool {
    locks.withLock { $0.acquire(target, for: call) } == nil
  }

  func release(_ target: String) { locks.withLock { $0.release(target) } }

  /// Whether the target is held by a repair of its mount, which no call asked for.
  func isUnderRepair(_ target: String) -> Bool { locks.withLock { $0.holder(of: target) } == .repair }

  /// Runs `body` while no other call has `target`; never waits.
  /// - Throws: ABORTED when another call has it, else what `body` throws.
  package func holding<Result>(
    _ target: String, for call: TargetCall, _ body: () async throws(CSIError) -> Result
  ) async throws(CSIError) -> Result {
    if locks.withLock({ $0.acquire(target, for: call) }) != nil { throw .inProgress(what: "target", name: target) }
    defer { locks.withLock { $0.release(target) } }
    return try await body()
  }

  /// Runs `body` if no call has `target`, else does nothing. For threads that may block.
  func holdingIfFree(_ target: String, for call: TargetCall, _ body: () -> Void) {
    guard locks.withLock({ $0.acquire(target, for: call) }) == nil else { return }
    defer { locks.withLock { $0.release(target) } }
    body()
  }
}
