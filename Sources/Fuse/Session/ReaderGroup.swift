import Glibc
import LinuxSystem
import SystemPackage

/// The reader threads of a session, as its census asks for them, and all ended at once by `stop`.
///
/// Threads are our own and not of `fuse_session_loop_mt`: that one has no stop that leaves unread requests alone, buffers of
/// its own making, and lets up to ten of them wait in turn.
final class ReaderGroup: @unchecked Sendable {
  // SAFETY (Sendable): everything below `monitor` is read and written only while it is locked.
  private let monitor: Monitor
  /// A reader or the watch has gone, or all shall.
  private let changed: Condition
  /// Resting readers wait for it.
  private let calls: Condition
  /// The watch sleeps on it.
  private let watchWoken: Condition
  private var census: ReaderCensus
  private var readers: [Reader] = []
  private var isWatched = false
  private var end: SessionEnd?

  /// One thread that reads. Its state belongs to the group's lock.
  final class Reader: @unchecked Sendable {
    // SAFETY (Sendable): `isWaiting` and `ticket` are touched only under the group's lock.
    fileprivate let thread = DetachedThread.current
    fileprivate let id = ThreadID.current
    fileprivate var isWaiting = true
    fileprivate var ticket: ReaderCensus.Ticket = 0
    fileprivate init() {}
  }

  /// Bytes of a reader's stack; only touched pages cost memory.
  private static let stackSize = 512 << 10
  /// How long a reader rests before it gives its memory back.
  private static let rest: Duration = .seconds(1)
  private static let interval: Duration = .milliseconds(1)
  private let processors = max(2, sysconf(CInt(_SC_NPROCESSORS_ONLN)))

  init(limits: ReaderCensus.Limits) {
    census = ReaderCensus(limits: limits)
    monitor = Monitor()
    changed = Condition(of: monitor)
    calls = Condition(of: monitor)
    watchWoken = Condition(of: monitor)
  }

  /// Threads that read or could be called to.
  var count: Int { monitor.locked { census.total } }

  /// Makes the first readers, which run `body`, and the watch, which asks `hasBacklog`.
  /// - Throws: EAGAIN when not even one reader can be made.
  func start(
    hasBacklog: @escaping @Sendable () -> Bool, _ body: @escaping @Sendable (Reader) -> Void
  ) throws(Errno) {
    SessionThread.installWakeHandler()
    for _ in 0..<count { spawn(body) }
    if count == 0 { throw .resourceTemporarilyUnavailable }
    monitor.locked { isWatched = true }
    // Without the watch the first readers serve alone.
    if SessionThread.start(name: "fuse-watch", stackSize: 128 << 10, { self.watch(hasBacklog, body) }) == nil {
      monitor.locked { isWatched = false }
    }
  }

  /// A reader got a request.
  func tookRequest(_ reader: Reader) {
    monitor.locked {
      let (ticket, wakesWatch) = census.tookRequest()
      (reader.ticket, reader.isWaiting) = (ticket, false)
      if wakesWatch { watchWoken.signal() }
    }
  }

  /// A reader has answered; rests where there are enough others.
  /// - Returns: whether it is to read on. If not, the thread must end.
  func answered(_ reader: Reader) -> Bool {
    monitor.locked {
      switch census.answered(reader.ticket) {
      case .read: reader.isWaiting = true
      case .rest: reader.isWaiting = rest()
      case .leave: break
      }
      if !reader.isWaiting { leave(reader) }
      return reader.isWaiting
    }
  }

  /// With the lock held.
  private func rest() -> Bool {
    let limit = Deadline.after(Self.rest)
    while !census.takeCall() {
      if census.isStopping || limit.hasPassed {
        census.restingReaderGone()
        return false
      }
      calls.wait(until: limit)
    }
    return true
  }

  /// A reader was interrupted while it waited. - Returns: whether it is to read on. If not, the thread must end.
  func interrupted(_ reader: Reader) -> Bool {
    monitor.locked {
      if census.isStopping {
        census.waitingReaderGone()
      } else if !census.mayGoWhileWaiting() {
        return true
      }
      leave(reader)
      return false
    }
  }

  /// A reader that waited for a request ends. The first reason given is the session's; the other readers follow.
  func leaveWaiting(_ reader: Reader, _ reason: SessionEnd) {
    monitor.locked {
      census.waitingReaderGone()
      leave(reader)
      stopAll(reason)
    }
  }

  /// A reader has no memory to read into and ends; the others go on, and the session fails when there are none.
  func leaveUnmade(_ reader: Reader, _ error: Errno) {
    monitor.locked {
      census.waitingReaderGone()
      leave(reader)
      if census.total == 0 { stopAll(.failed(error)) }
    }
  }

  /// Counts a reader out. With the lock held.
  private func leave(_ reader: Reader) {
    readers.removeAll { $0 === reader }
    changed.broadcast()
  }

  /// Ends the system calls of readers that wait for a request, and none of those that work on one. With the lock held.
  private func interruptWaiting() {
    for reader in readers where reader.isWaiting { reader.thread.signal(SessionThread.wakeSignal) }
  }

  /// Lets every reader finish its request and go. Returns at once.
  func stop() { monitor.locked { stopAll(.stopped) } }

  /// With the lock held.
  private func stopAll(_ reason: SessionEnd) {
    if end == nil { end = reason }
    census.stop()
    calls.broadcast()
    watchWoken.broadcast()
    changed.broadcast()
  }

  /// Waits until every reader is gone.
  /// - Parameter milliseconds: how long at most; nil: for ever.
  /// - Returns: why the session ended, nil when readers are left.
  func wait(milliseconds: Int? = nil) -> SessionEnd? {
    let deadline = milliseconds.map { Deadline.after(.milliseconds($0)) } ?? .never
    return monitor.locked {
      while census.total > 0 || isWatched {
        if deadline.hasPassed { return nil }
        // A signal that comes just before the read is lost, so readers are woken until they are gone.
        if census.isStopping { interruptWaiting() }
        changed.wait(until: census.isStopping ? .after(.milliseconds(5)) : deadline)
      }
      return end ?? .stopped
    }
  }
}

// MARK: - Threads

extension ReaderGroup {
  /// Makes one thread that the census counts already.
  private func spawn(_ body: @escaping @Sendable (Reader) -> Void) {
    let thread = SessionThread.start(name: "fuse-reader", stackSize: Self.stackSize) {
      let reader = Reader()
      self.monitor.locked { self.readers.append(reader) }
      body(reader)
    }
    guard thread == nil else { return }
    monitor.locked {
      census.waitingReaderGone()
      changed.broadcast()
    }
  }

  /// Whether readers want all the processors there are. With the lock held.
  private func wantProcessors() -> Bool {
    var left = processors
    for reader in readers where reader.id.wantsProcessor {
      left -= 1
      if left == 0 { return true }
    }
    return false
  }

  /// The watch, from its start to the end of the session.
  private func watch(_ hasBacklog: () -> Bool, _ body: @escaping @Sendable (Reader) -> Void) {
    while true {
      let backlog = hasBacklog()
      let orders = monitor.locked { () -> ReaderCensus.Orders? in
        let orders = census.look(backlog: backlog) { wantProcessors() }
        for _ in 0..<orders.calls { calls.signal() }
        if orders.interrupts { interruptWaiting() }
        return census.isStopping ? nil : orders
      }
      guard let orders else { break }
      for _ in 0..<orders.makes { spawn(body) }
      monitor.locked {
        if orders.sleeps {
          while census.isWatchAsleep, !census.isStopping { watchWoken.wait() }
        } else if !census.isStopping {
          watchWoken.wait(until: .after(Self.interval))
        }
      }
    }
    monitor.locked {
      isWatched = false
      changed.broadcast()
    }
  }
}
