internal import LinuxSystem

/// How many events are sent.
package struct EventPolicy: Sendable, Hashable {
  /// Events about one object that are sent at once.
  package var burst: Int
  /// How long until another one may follow, once those are used up.
  package var refill: Duration
  /// The same for all events of one subject.
  package var subjectBurst = 60
  package var subjectRefill = Duration.seconds(10)
  /// The same for all events.
  package var totalBurst = 256
  package var totalRefill = Duration.seconds(1)
  /// Between two counts of one that repeats.
  package var countInterval: Duration
  /// One that did not happen for so long is new when it does.
  package var seriesEnd: Duration
  /// Events and objects that are remembered; those that happened longest ago are forgotten.
  package var memory: Int

  package init(
    burst: Int = 20, refill: Duration = .seconds(60), countInterval: Duration = .seconds(60),
    seriesEnd: Duration = .seconds(600), memory: Int = 1024
  ) {
    self.burst = burst
    self.refill = refill
    self.countInterval = countInterval
    self.seriesEnd = seriesEnd
    self.memory = memory
  }
}

/// Which events are sent, as new ones or as counts of old ones, and which are not: a volume that fails all day must not
/// fill the cluster's memory. A value, so that tests need no time.
struct EventBudget: Sendable {
  enum Decision: Sendable, Hashable {
    case create
    /// This event again: so often by now, under the name that it was created with.
    case count(Int, name: String)
    case withhold
  }

  private struct Series {
    var name: String?
    var count = 1
    var lastSeen: Deadline
    var lastSent: Deadline
  }

  private struct Allowance {
    var left: Int
    var since: Deadline
  }

  /// What is limited.
  private enum Scope: Hashable {
    case object(ObjectReference)
    case subject(String)
    case all
  }

  private let policy: EventPolicy
  private var series: [ObjectEvent: Series] = [:]
  private var allowances: [Scope: Allowance] = [:]

  init(_ policy: EventPolicy) { self.policy = policy }

  /// Series that are remembered.
  var seriesCount: Int { series.count }

  /// The event has happened.
  mutating func decide(_ event: ObjectEvent, now: Deadline) -> Decision {
    let key = Self.key(event)
    guard var known = series[key], let name = known.name, known.lastSeen.advanced(by: policy.seriesEnd) > now else {
      guard spend(on: key, now: now) else { return .withhold }
      series[key] = Series(lastSeen: now, lastSent: now)
      forget()
      return .create
    }
    known.count += 1
    known.lastSeen = now
    defer { series[key] = known }
    // The second one tells at once that it repeats; after that the count is enough now and then.
    guard known.count == 2 || known.lastSent.advanced(by: policy.countInterval) <= now,
      spend(on: key, now: now)
    else { return .withhold }
    known.lastSent = now
    return .count(known.count, name: name)
  }

  /// The event was created under a name.
  mutating func created(_ event: ObjectEvent, name: String) { series[Self.key(event)]?.name = name }

  /// The event could not be created, or is no longer there: the next one is new.
  mutating func lost(_ event: ObjectEvent) { series[Self.key(event)] = nil }

  /// The object's version changes all the time.
  private static func key(_ event: ObjectEvent) -> ObjectEvent {
    var key = event
    key.regarding.resourceVersion = nil
    return key
  }

  /// One event counts for its object, its subject and for all; where one of them has none left, for none.
  private mutating func spend(on event: ObjectEvent, now: Deadline) -> Bool {
    var scopes: [(scope: Scope, burst: Int, refill: Duration)] = [
      (.object(event.regarding), policy.burst, policy.refill), (.all, policy.totalBurst, policy.totalRefill),
    ]
    if let subject = event.subject { scopes.append((.subject(subject), policy.subjectBurst, policy.subjectRefill)) }
    var isAllowed = true
    for (scope, burst, refill) in scopes {
      var allowance = allowances[scope] ?? Allowance(left: burst, since: now)
      while allowance.left < burst, allowance.since.advanced(by: refill) <= now {
        allowance.left += 1
        allowance.since = allowance.since.advanced(by: refill)
      }
      if allowance.left == burst { allowance.since = now }
      allowances[scope] = allowance
      isAllowed = isAllowed && allowance.left > 0
    }
    if isAllowed { for (scope, _, _) in scopes { allowances[scope]?.left -= 1 } }
    return isAllowed
  }

  private mutating func forget() {
    if series.count > policy.memory, let oldest = series.min(by: { $0.value.lastSeen < $1.value.lastSeen })?.key {
      series[oldest] = nil
    }
    while allowances.count > policy.memory + 1,
      let oldest = allowances.filter({ $0.key != .all }).min(by: { $0.value.since < $1.value.since })?.key
    {
      allowances[oldest] = nil
    }
  }
}
