import LinuxSystem
import SystemPackage

/// The reader threads of a session: made on demand, ended when too many wait, and all at once by `stop`.
///
/// Threads are our own and not of `fuse_session_loop_mt`: that one has no stop that leaves unread requests alone, buffers of
/// its own making, and keeps up to ten of them.
final class ReaderGroup: @unchecked Sendable {
  // SAFETY (Sendable): everything below `monitor` is read and written only while it is locked.
  private let monitor = Monitor()
  private var census: ReaderCensus
  private var threads: [DetachedThread] = []
  private var end: SessionEnd?

  /// Bytes of a reader's stack; only touched pages cost memory.
  private static let stackSize = 512 * 1024

  init(limits: ReaderCensus.Limits) {
    census = ReaderCensus(limits: limits)
  }

  /// Threads that exist now.
  var count: Int { monitor.locked { census.total } }

  /// Makes the first readers. - Throws: EAGAIN when not even one thread can be made.
  func start(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    SessionThread.installWakeHandler()
    let wanted = monitor.locked { census.total }
    var failure: Errno?
    for _ in 0..<wanted where !spawn(body) { failure = .resourceTemporarilyUnavailable }
    if let failure, count == 0 { throw failure }
  }

  /// A reader got a request; makes another reader where nobody is left to wait.
  func tookRequest(_ body: @escaping @Sendable () -> Void) {
    if monitor.locked({ census.tookRequest() }) { _ = spawn(body) }
  }

  /// A reader has answered. - Returns: whether it is to read on. If not, the thread must end.
  func answered() -> Bool {
    monitor.locked {
      let reads = census.answered()
      if !reads { leave() }
      return reads
    }
  }

  /// Whether a reader that waits is to end instead.
  var isStopping: Bool { monitor.locked { census.isStopping } }

  /// A reader that waited for a request ends. The first reason given is the session's; the other readers follow.
  func leaveWaiting(_ reason: SessionEnd) {
    monitor.locked {
      if end == nil { end = reason }
      census.stop()
      census.waitingReaderGone()
      leave()
    }
  }

  /// A reader has no memory to read into and ends; the others go on, and the session fails when there are none.
  func leaveUnmade(_ error: Errno) {
    monitor.locked {
      census.waitingReaderGone()
      if census.total == 0, end == nil { end = .failed(error) }
      leave()
    }
  }

  /// Counts the calling thread out. Called with the lock held.
  private func leave() {
    let me = DetachedThread.current
    threads.removeAll { $0 == me }
    monitor.broadcast()
  }

  /// Lets every reader finish its request and go. Returns at once.
  func stop() {
    monitor.locked {
      if end == nil { end = .stopped }
      census.stop()
      monitor.broadcast()
    }
  }

  /// Waits until every reader is gone.
  /// - Parameter milliseconds: how long at most; nil: for ever.
  /// - Returns: why the session ended, nil when readers are left.
  func wait(milliseconds: Int? = nil) -> SessionEnd? {
    let deadline = milliseconds.map { Deadline.after(.milliseconds($0)) } ?? .never
    return monitor.locked {
      while census.total > 0 {
        if deadline.hasPassed { return nil }
        // A signal that comes just before the read is lost, so readers are woken until they are gone.
        if census.isStopping { for thread in threads { thread.signal(SessionThread.wakeSignal) } }
        monitor.wait(until: census.isStopping ? .after(.milliseconds(5)) : deadline)
      }
      return end ?? .stopped
    }
  }
}

// MARK: - Threads

extension ReaderGroup {
  /// Makes one thread that the census counts already. - Returns: whether it could be made.
  private func spawn(_ body: @escaping @Sendable () -> Void) -> Bool {
    monitor.locked {
      // With the lock held, so that the thread is in the list before it can leave it.
      if let thread = SessionThread.start(name: "fuse-reader", stackSize: Self.stackSize, body) {
        threads.append(thread)
        return true
      }
      census.waitingReaderGone()
      monitor.broadcast()
      return false
    }
  }
}
