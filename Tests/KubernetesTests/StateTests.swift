import LinuxSystem
import Testing

@testable import Kubernetes

@Suite("What a failed call does next")
struct RetryStateTests {
  private let policy = RetryPolicy(
    attempts: 4, firstWait: .seconds(1), longestWait: .seconds(3), patience: .seconds(60))

  private func error(_ kind: KubernetesError.Kind, after: Duration? = nil, happened: Bool = false) -> KubernetesError {
    KubernetesError(kind, "", retryAfter: after, mayHaveHappened: happened)
  }

  @Test("waits grow to their limit, with a random half, and end with the attempts")
  func growth() {
    var low = RetryState(policy)
    var high = RetryState(policy)
    var steps: [[RetryState.Step]] = []
    for _ in 0..<4 {
      let failure = error(.unavailable)
      steps.append([
        low.next(after: failure, isRepeatable: true, left: .seconds(60), random: 0),
        high.next(after: failure, isRepeatable: true, left: .seconds(60), random: 1),
      ])
    }
    #expect(
      steps == [
        [.wait(.milliseconds(500)), .wait(.seconds(1))], [.wait(.seconds(1)), .wait(.seconds(2))],
        [.wait(.milliseconds(1500)), .wait(.seconds(3))], [.fail, .fail],
      ])
  }

  @Test("what the server asks for is the least, and jitter comes on top")
  func retryAfter() {
    var state = RetryState(policy)
    let failure = error(.busy, after: .seconds(7))
    #expect(state.next(after: failure, isRepeatable: false, left: .seconds(60), random: 0) == .wait(.seconds(7)))
    #expect(state.next(after: failure, isRepeatable: false, left: .seconds(60), random: 1) == .wait(.seconds(8)))
    #expect(state.next(after: failure, isRepeatable: false, left: .seconds(8), random: 1) == .fail)
  }

  @Test(
    "what will be refused every time is not asked again",
    arguments: [KubernetesError.Kind.absent, .exists, .conflict, .expired, .forbidden, .invalid, .access, .cancelled])
  func final(kind: KubernetesError.Kind) {
    var state = RetryState(policy)
    #expect(state.next(after: error(kind), isRepeatable: true, left: .seconds(60), random: 0) == .fail)
  }

  @Test("a refused token is read again once, an answer that makes no sense is asked for again once")
  func once() {
    var state = RetryState(policy)
    #expect(state.next(after: error(.unauthorized), isRepeatable: false, left: .seconds(9), random: 0) == .refresh)
    #expect(state.next(after: error(.unauthorized), isRepeatable: false, left: .seconds(9), random: 0) == .fail)
    var other = RetryState(policy)
    #expect(other.next(after: error(.unreadable), isRepeatable: true, left: .seconds(9), random: 0) != .fail)
    #expect(other.next(after: error(.unreadable), isRepeatable: true, left: .seconds(9), random: 0) == .fail)
  }

  @Test("what may have happened is done again only where that is the same")
  func happened() {
    for (isRepeatable, happened) in [(true, true), (true, false), (false, false), (false, true)] {
      var state = RetryState(policy)
      let failure = error(.unavailable, happened: happened)
      let step = state.next(after: failure, isRepeatable: isRepeatable, left: .seconds(60), random: 0)
      #expect((step == .fail) == (!isRepeatable && happened))
    }
  }
}

@Suite("How far a watch has come")
struct WatchCursorTests {
  private let failure = KubernetesError(.unavailable, "")

  @Test("lists first, then watches from where the last line was")
  func advance() {
    var cursor = WatchCursor()
    #expect(cursor.step == .list)
    cursor.listed(version: "5")
    #expect(cursor.step == .watch(from: "5"))
    cursor.advance(to: "9")
    cursor.failed(failure)
    #expect(cursor.step == .watch(from: "9") && cursor.failures == 1)
    cursor.advance(to: nil)
    cursor.advance(to: "")
    #expect(cursor.step == .watch(from: "9") && cursor.failures == 0)
  }

  @Test("a list that fails is made again, a version that is forgotten leads to a list")
  func list() {
    var cursor = WatchCursor()
    cursor.failed(failure)
    #expect(cursor.step == .list)
    cursor.listed(version: "5")
    cursor.failed(KubernetesError(.expired, ""))
    #expect(cursor.step == .list && cursor.failures == 2)
  }

  @Test("the first watch that ends without a line is taken up at once, the next ones after a wait")
  func ended() {
    var cursor = WatchCursor()
    cursor.listed(version: "5")
    #expect(cursor.ended(lines: 3, after: .zero) == false)
    #expect(cursor.ended(lines: 0, after: .zero) == false)
    #expect(cursor.ended(lines: 0, after: .zero) == true)
    #expect(cursor.ended(lines: 1, after: .zero) == false && cursor.failures == 0)
  }

  @Test("a watch on which nothing happened for as long as was asked is no failure")
  func quiet() {
    var cursor = WatchCursor()
    cursor.listed(version: "5")
    for _ in 0..<5 { #expect(cursor.ended(lines: 0, after: .seconds(290)) == false) }
    #expect(cursor.failures == 0)
  }
}

@Suite("How many events are sent")
struct EventBudgetTests {
  private let start = Deadline(nanoseconds: 1_000_000_000_000)
  private let policy = EventPolicy(
    burst: 3, refill: .seconds(60), countInterval: .seconds(10), seriesEnd: .seconds(100), memory: 4)

  private func event(
    _ note: String = "no", about name: String = "v", version: String? = nil, subject: String? = nil
  ) -> ObjectEvent {
    ObjectEvent(
      regarding: ObjectReference(kind: "Pod", namespace: "n", name: name, resourceVersion: version), severity: .warning,
      reason: "Failed", action: "Try", note: note, subject: subject)
  }

  /// After so many seconds.
  private func at(_ seconds: Int) -> Deadline { start.advanced(by: .seconds(seconds)) }

  @Test("the first is new, the second a count at once, and then counts come now and then")
  func series() {
    var budget = EventBudget(EventPolicy(burst: 100, countInterval: .seconds(10)))
    #expect(budget.decide(event(), now: at(0)) == .create)
    budget.created(event(), name: "e")
    let decisions = (1...21).map { budget.decide(event(version: "\($0)"), now: at($0)) }
    #expect(decisions[0] == .count(2, name: "e"))
    #expect(decisions[10] == .count(12, name: "e") && decisions[20] == .count(22, name: "e"))
    #expect(decisions.filter { $0 != .withhold }.count == 3)
  }

  @Test("one that did not happen for long is new")
  func pause() {
    var budget = EventBudget(policy)
    #expect(budget.decide(event(), now: at(0)) == .create)
    budget.created(event(), name: "e")
    #expect(budget.decide(event(), now: at(101)) == .create)
  }

  @Test("events about one object are bounded, and do not hold up those about others")
  func bound() {
    var budget = EventBudget(policy)
    let decisions = (0..<5).map { budget.decide(event("\($0)"), now: at(0)) }
    #expect(decisions == [.create, .create, .create, .withhold, .withhold])
    #expect(budget.decide(event(about: "w"), now: at(0)) == .create)
    #expect(budget.decide(event("later"), now: at(59)) == .withhold)
    #expect(budget.decide(event("later"), now: at(60)) == .create)
    #expect(budget.decide(event("again"), now: at(61)) == .withhold)
    #expect(budget.decide(event("much later"), now: at(100_000)) == .create)
  }

  @Test("events of one subject are bounded over all objects, and so are all events")
  func wholeBound() {
    var policy = policy
    (policy.subjectBurst, policy.totalBurst) = (4, 6)
    (policy.subjectRefill, policy.totalRefill, policy.memory) = (.seconds(60), .seconds(30), 100)
    var budget = EventBudget(policy)
    func count(_ subject: String?, _ names: ClosedRange<Int>, at moment: Deadline) -> Int {
      names.filter { budget.decide(event(about: "v\($0)", subject: subject), now: moment) == .create }.count
    }
    #expect(count("a", 0...9, at: at(0)) == 4)
    #expect(count("b", 10...19, at: at(0)) == 2)
    #expect(count(nil, 20...29, at: at(29)) == 0)
    #expect(count("a", 30...39, at: at(30)) == 0)
    #expect(count("b", 40...49, at: at(30)) == 1)
    #expect(count("a", 50...59, at: at(60)) == 1)
  }

  @Test("one that could not be created is new when it happens again")
  func lost() {
    var budget = EventBudget(policy)
    #expect(budget.decide(event(), now: at(0)) == .create)
    #expect(budget.decide(event(), now: at(1)) == .create)
    budget.created(event(), name: "e")
    budget.lost(event())
    #expect(budget.decide(event(), now: at(2)) == .create)
  }

  @Test("what happened longest ago is forgotten, so that memory is bounded")
  func memory() {
    var budget = EventBudget(policy)
    for number in 0..<100 {
      #expect(budget.decide(event(about: "v\(number)"), now: at(number)) == .create)
      budget.created(event(about: "v\(number)"), name: "e")
    }
    #expect(budget.seriesCount == 4)
    #expect(budget.decide(event(about: "v99"), now: at(99)) == .count(2, name: "e"))
    #expect(budget.decide(event(about: "v1"), now: at(99)) == .create)
  }
}
