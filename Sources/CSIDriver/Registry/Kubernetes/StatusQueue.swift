internal import LinuxSystem
internal import VolumeModel

/// Which volume's status is written next, and when: those with something that people must know first, each once however
/// often it changes, and all together no faster than the policy says. A value, so that tests need no time.
struct StatusQueue: Sendable {
  enum Step: Sendable, Hashable {
    case write(String)
    case wait(until: Deadline)
  }

  private struct Waiting: Sendable {
    var id: String
    var due: Deadline
    var isUrgent: Bool
    var since: Deadline
  }

  private let policy: StatusPolicy
  private var waiting: [ByteKey: Waiting] = [:]
  /// Of volumes that were written less than an interval ago.
  private var written: [ByteKey: Deadline] = [:]
  private var left: Int
  private var since: Deadline
  private var failures = 0
  private var retry = Deadline(nanoseconds: 0)

  init(_ policy: StatusPolicy, now: Deadline) {
    self.policy = policy
    (left, since) = (policy.burst, now)
  }

  var count: Int { waiting.count }
  /// Volumes that it knows, waiting or not.
  var memory: Int { waiting.count + written.count }

  mutating func add(_ id: String, isUrgent: Bool, now: Deadline) {
    let key = ByteKey(id)
    let spacing = isUrgent ? policy.urgentInterval : policy.interval
    let due = max(now.advanced(by: policy.delay), written[key]?.advanced(by: spacing) ?? now)
    let before = waiting[key]
    waiting[key] = Waiting(
      id: before?.id ?? id, due: min(due, before?.due ?? due), isUrgent: isUrgent || before?.isUrgent == true,
      since: before?.since ?? now)
  }

  /// What to do now. A volume that is to be written waits no longer.
  mutating func next(now: Deadline) -> Step {
    refill(now)
    if waiting.isEmpty { return .wait(until: .never) }
    if retry > now { return .wait(until: retry) }
    let due = waiting.filter { $0.value.due <= now }
    guard let first = due.min(by: { rank($0.value) < rank($1.value) }) else {
      return .wait(until: waiting.values.map(\.due).min() ?? .never)
    }
    guard left > 0 else { return .wait(until: since.advanced(by: policy.refill)) }
    left -= 1
    waiting[first.key] = nil
    written = written.filter { $0.value.advanced(by: policy.interval) > now }
    written[first.key] = now
    return .write(first.value.id)
  }

  mutating func succeeded() { failures = 0 }

  /// The server did not take the volume's status. All wait: what is wrong is seldom one volume's.
  /// - Parameter random: from 0 to 1.
  mutating func failed(_ id: String, isServers: Bool, now: Deadline, random: Double) {
    add(id, isUrgent: false, now: now)
    guard isServers else { return }
    failures += 1
    let ceiling = min(policy.longestRetry, policy.firstRetry * (1 << min(10, failures - 1)))
    retry = now.advanced(by: ceiling * (0.5 + 0.5 * random))
  }

  /// Counts let what people must know go first, and do not wait for ever.
  private func rank(_ volume: Waiting) -> Deadline {
    volume.isUrgent ? volume.since : volume.since.advanced(by: policy.interval)
  }

  private mutating func refill(_ now: Deadline) {
    while left < policy.burst, since.advanced(by: policy.refill) <= now {
      left += 1
      since = since.advanced(by: policy.refill)
    }
    if left == policy.burst { since = now }
  }
}
