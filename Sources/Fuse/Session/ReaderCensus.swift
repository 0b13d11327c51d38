/// How many threads read the device, and when one is called, made or goes: a value, so that it can be tested without threads.
///
/// The kernel wakes waiting readers in turn, so that every reader beyond those that are needed costs wake-ups for nothing and
/// of sleeping processors. Few readers serve, as many as `width` says: readers that rest do so in no system call on the device.
/// A watch looks every millisecond while all are busy. It adds a reader for each one that is stuck in its request (so that what
/// hangs blocks nothing else), and widens when requests go on waiting unread.
struct ReaderCensus: Sendable {
  struct Limits: Sendable, Hashable {
    /// Readers made at the start, and the fewest that serve. Each keeps a buffer of `maxWrite` bytes (1 MiB), all of it
    /// resident. Measured with one client on two processors: 3 serve as many requests as 10 do, 2 serve 0.85 of that, and
    /// 1 half, since a processor falls asleep between any two requests.
    var least = 3
    /// Readers at most: all background requests that the kernel sends at a time, and some for those that callers wait for.
    var total = 96
  }

  /// What a reader does that has answered.
  enum Next: Sendable { case read, rest, leave }

  /// What the watch does after a look.
  struct Orders: Sendable, Hashable {
    /// Resting readers to be called.
    var calls = 0
    /// Readers to be made. They count already.
    var makes = 0
    /// Whether it sleeps until it is woken.
    var sleeps = false
    /// Whether readers that wait are more than needed: each is to ask `mayGoWhileWaiting`.
    var interrupts = false
  }

  /// The last look of the watch before a request was taken.
  typealias Ticket = UInt64

  let limits: Limits
  /// Readers that exist or are being made.
  private(set) var total: Int
  /// Readers that wait for a request or soon will.
  private(set) var waiting: Int
  /// Readers that rest, ready to be called.
  private(set) var resting = 0
  /// Resting readers that are called and have not noticed yet; they count as waiting and no longer as resting.
  private var called = 0
  /// Readers that serve at a time when none is stuck.
  private(set) var width: Int
  /// Readers that go after their current request; none is made any more.
  private(set) var isStopping = false

  /// Whether the watch sleeps until a request finds no reader waiting beside its own.
  private(set) var isWatchAsleep = true
  private var look: Ticket = 1
  private var taken: UInt64 = 0
  private var takenAtLook: UInt64 = 0
  /// Readers that were busy at the last look and have not answered since.
  private var held = 0
  /// Those of them that were busy at the look before, too.
  private(set) var stuck = 0
  /// Looks that found requests waiting, weighed against those that did not.
  private var pressure = 0
  /// Looks in a row that found none waiting.
  private var calm = 0

  init(limits: Limits = Limits()) {
    self.limits = limits
    total = min(limits.least, limits.total)
    waiting = total
    width = total
  }

  /// Readers that answer requests or wait for them, and are not stuck.
  private var serving: Int { total - resting - stuck }

  /// A reader got a request.
  /// - Returns: what to hand back with the answer, and whether the watch is to be woken.
  mutating func tookRequest() -> (ticket: Ticket, wakesWatch: Bool) {
    waiting -= 1
    taken &+= 1
    guard waiting == 0, isWatchAsleep, !isStopping else { return (look, false) }
    isWatchAsleep = false
    return (look, true)
  }

  /// A reader has answered. One that leaves is counted out.
  mutating func answered(_ ticket: Ticket) -> Next {
    if ticket < look { held -= 1 }
    if ticket &+ 1 < look { stuck -= 1 }
    if isStopping {
      total -= 1
      return .leave
    }
    if serving > width {
      resting += 1
      return .rest
    }
    waiting += 1
    return .read
  }

  /// A resting reader asks. - Returns: whether it was called and reads on.
  mutating func takeCall() -> Bool {
    guard called > 0 else { return false }
    called -= 1
    return true
  }

  /// A reader that rested ends, because it has rested long enough or all end.
  mutating func restingReaderGone() {
    resting -= 1
    total -= 1
  }

  /// A waiting reader ends, or one that was to be made could not be.
  mutating func waitingReaderGone() {
    total -= 1
    waiting -= 1
  }

  /// A waiting reader was interrupted. - Returns: whether it goes, as others wait; then it is counted out.
  mutating func mayGoWhileWaiting() -> Bool {
    guard waiting > width else { return false }
    waitingReaderGone()
    return true
  }

  mutating func stop() { isStopping = true }
}

// MARK: - The watch

extension ReaderCensus {
  /// What `calm` must come to before the width goes back and the watch sleeps.
  private static let calm = 200
  /// What a look adds to it that found nothing taken since the last one, and a reader for what comes.
  private static let idle = 50
  /// What `pressure` must come to before the width grows: a look between an answer and its counting finds a request
  /// waiting as well, so that one look proves nothing.
  private static let pressing = 8

  /// One look of the watch.
  /// - Parameters:
  ///   - backlog: whether requests wait that nobody has read.
  ///   - wantsProcessors: whether readers want all processors already, so that more readers would bring nothing; asked only
  ///     when one might be added, since it takes a while to find out.
  mutating func look(backlog: Bool, wantsProcessors: () -> Bool) -> Orders {
    let served = taken &- takenAtLook
    takenAtLook = taken
    look &+= 1
    stuck = held
    held = total - resting - waiting
    if isStopping { return Orders(sleeps: true) }
    if backlog && waiting == 0 {
      press(wantsProcessors)
    } else {
      pressure = max(0, pressure - 1)
      calm += served == 0 && waiting > 0 ? Self.idle : 1
      if calm >= Self.calm {
        calm = 0
        width = min(limits.least, limits.total)
        isWatchAsleep = waiting > 0
      }
    }
    var orders = add(width - serving)
    orders.sleeps = isWatchAsleep
    orders.interrupts = isWatchAsleep && waiting > width
    return orders
  }

  private mutating func press(_ wantsProcessors: () -> Bool) {
    calm = 0
    pressure += 2
    guard pressure >= Self.pressing else { return }
    pressure = 0
    if width < limits.total, !wantsProcessors() { width += 1 }
  }

  private mutating func add(_ missing: Int) -> Orders {
    guard missing > 0 else { return Orders() }
    let calls = min(missing, resting)
    resting -= calls
    called += calls
    let makes = min(missing - calls, limits.total - total)
    total += makes
    waiting += calls + makes
    return Orders(calls: calls, makes: makes)
  }
}
