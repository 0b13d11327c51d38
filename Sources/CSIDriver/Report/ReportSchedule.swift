internal import LinuxSystem
internal import VolumeModel

/// When a node's report is sent. A value, so that tests need no time.
struct ReportSchedule: Sendable {
  enum Step: Sendable, Hashable {
    case send
    /// Nothing to send before this moment, unless something changes.
    case wait(until: Deadline)
  }

  /// Of a volume, what people must know soon.
  private struct Urgent: Hashable {
    var abnormal: Bool
    var message: String?
    var lastError: String?
  }

  private let policy: ReportPolicy
  private var last: (status: AlluxioNode.Status, moment: Deadline)?
  private var left: Int
  private var since: Deadline
  private var failures = 0
  private var retry = Deadline(nanoseconds: 0)

  init(_ policy: ReportPolicy, now: Deadline) {
    self.policy = policy
    (left, since) = (policy.burst, now)
  }

  /// What to do about the state of the node, without `reportedAt`.
  mutating func next(_ status: AlluxioNode.Status, now: Deadline) -> Step {
    refill(now)
    if retry > now { return .wait(until: retry) }
    guard let last else { return .send }
    let hasVolumes = status.volumes?.isEmpty == false
    let heartbeat = hasVolumes ? last.moment.advanced(by: policy.heartbeat) : .never
    guard heartbeat > now else { return .send }
    guard status != last.status else {
      // Nobody tells of counts: they are looked at.
      return .wait(until: hasVolumes ? min(now.advanced(by: policy.interval), heartbeat) : .never)
    }
    let interval = last.moment.advanced(by: policy.interval)
    guard interval > now else { return .send }
    guard Self.urgent(status) != Self.urgent(last.status) else { return .wait(until: min(interval, heartbeat)) }
    return left > 0 ? .send : .wait(until: min(since.advanced(by: policy.refill), interval))
  }

  /// It was sent.
  mutating func sent(_ status: AlluxioNode.Status, now: Deadline) {
    last = (status, now)
    left = max(0, left - 1)
    failures = 0
  }

  /// It was not taken, or nobody knows.
  /// - Parameter random: from 0 to 1: nodes must not come back in one moment.
  mutating func failed(now: Deadline, random: Double) {
    failures += 1
    let ceiling = min(policy.longestRetry, policy.firstRetry * (1 << min(10, failures - 1)))
    retry = now.advanced(by: ceiling * (0.5 + 0.5 * random))
  }

  private mutating func refill(_ now: Deadline) {
    while left < policy.burst, since.advanced(by: policy.refill) <= now {
      left += 1
      since = since.advanced(by: policy.refill)
    }
    if left == policy.burst { since = now }
  }

  private static func urgent(_ status: AlluxioNode.Status) -> [ByteKey: Urgent] {
    Dictionary(
      (status.volumes ?? []).map { volume in
        let urgent = Urgent(
          abnormal: volume.abnormal == true, message: volume.message, lastError: volume.lastError)
        return (ByteKey(volume.volumeID), urgent)
      }, uniquingKeysWith: { first, _ in first })
  }
}
