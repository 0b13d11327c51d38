import CFuse
import Glibc
import SystemPackage

/// The reader threads of a session: made on demand, ended when too many wait, and all at once by `stop`.
///
/// Threads are our own and not of `fuse_session_loop_mt`: that one has no stop that leaves unread requests alone, buffers of
/// its own making, and keeps up to ten of them.
final class ReaderGroup: @unchecked Sendable {
  // SAFETY (Sendable): everything below `lock` is read and written only while it is held; the pointers never change.
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>
  private var census: ReaderCensus
  private var threads: [pthread_t] = []
  private var end: SessionEnd?

  /// Bytes of a reader's stack; only touched pages cost memory.
  private static let stackSize = 512 * 1024

  init(limits: ReaderCensus.Limits) {
    census = ReaderCensus(limits: limits)
    lock = .allocate(capacity: 1)
    changed = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(changed, &attributes)
    pthread_condattr_destroy(&attributes)
  }

  deinit {
    pthread_cond_destroy(changed)
    pthread_mutex_destroy(lock)
    changed.deallocate()
    lock.deallocate()
  }

  private func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }

  /// Threads that exist now.
  var count: Int { locked { census.total } }

  /// Makes the first readers. - Throws: EAGAIN when not even one thread can be made.
  func start(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    SessionThread.installWakeHandler()
    let wanted = locked { census.total }
    var failure: Errno?
    for _ in 0..<wanted where !spawn(body) { failure = .resourceTemporarilyUnavailable }
    if let failure, count == 0 { throw failure }
  }

  /// A reader got a request; makes another reader where nobody is left to wait.
  func tookRequest(_ body: @escaping @Sendable () -> Void) {
    if locked({ census.tookRequest() }) { _ = spawn(body) }
  }

  /// A reader has answered. - Returns: whether it is to read on. If not, the thread must end.
  func answered() -> Bool {
    locked {
      let reads = census.answered()
      if !reads { leave() }
      return reads
    }
  }

  /// Whether a reader that waits is to end instead.
  var isStopping: Bool { locked { census.isStopping } }

  /// A reader that waited for a request ends. The first reason given is the session's; the other readers follow.
  func leaveWaiting(_ reason: SessionEnd) {
    locked {
      if end == nil { end = reason }
      census.stop()
      census.waitingReaderGone()
      leave()
    }
  }

  /// A reader has no memory to read into and ends; the others go on, and the session fails when there are none.
  func leaveUnmade(_ error: Errno) {
    locked {
      census.waitingReaderGone()
      if census.total == 0, end == nil { end = .failed(error) }
      leave()
    }
  }

  /// Counts the calling thread out. Called with the lock held.
  private func leave() {
    let me = pthread_self()
    threads.removeAll { pthread_equal($0, me) != 0 }
    pthread_cond_broadcast(changed)
  }

  /// Lets every reader finish its request and go. Returns at once.
  func stop() {
    locked {
      if end == nil { end = .stopped }
      census.stop()
      pthread_cond_broadcast(changed)
    }
  }

  /// Waits until every reader is gone.
  /// - Parameter milliseconds: how long at most; nil: for ever.
  /// - Returns: why the session ended, nil when readers are left.
  func wait(milliseconds: Int? = nil) -> SessionEnd? {
    let deadline = milliseconds.map { Self.moment(after: $0) }
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    while census.total > 0 {
      if let deadline, Self.isPast(deadline) { return nil }
      // A signal that comes just before the read is lost, so readers are woken until they are gone.
      if census.isStopping { for thread in threads { pthread_kill(thread, SessionThread.wakeSignal) } }
      var next = census.isStopping ? Self.moment(after: 5) : Self.moment(after: milliseconds ?? 3_600_000)
      pthread_cond_timedwait(changed, lock, &next)
    }
    return end ?? .stopped
  }

  private static func moment(after milliseconds: Int) -> timespec {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let nanoseconds = now.tv_nsec + (milliseconds % 1000) * 1_000_000
    return timespec(
      tv_sec: now.tv_sec + milliseconds / 1000 + nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
  }

  private static func isPast(_ moment: timespec) -> Bool {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return (now.tv_sec, now.tv_nsec) >= (moment.tv_sec, moment.tv_nsec)
  }
}

// MARK: - Threads

extension ReaderGroup {
  /// Makes one thread that the census counts already. - Returns: whether it could be made.
  private func spawn(_ body: @escaping @Sendable () -> Void) -> Bool {
    locked {
      // With the lock held, so that the thread is in the list before it can leave it.
      if let thread = SessionThread.start(stackSize: Self.stackSize, body) {
        threads.append(thread)
        return true
      }
      census.waitingReaderGone()
      pthread_cond_broadcast(changed)
      return false
    }
  }
}
