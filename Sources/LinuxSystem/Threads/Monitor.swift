internal import CLinux
import Glibc

/// A lock with conditions that its holder may wait for. pthread_mutex_lock(3), pthread_cond_timedwait(3).
///
/// For threads of our own: a task must not wait for a condition.
package final class Monitor: @unchecked Sendable {
  // SAFETY (Sendable): a mutex is made for use by many threads; the pointer never changes.
  fileprivate let mutex: UnsafeMutablePointer<pthread_mutex_t>

  package init() {
    mutex = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` with the lock held. Not from within itself.
  package func locked<Value>(_ body: () -> Value) -> Value {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return body()
  }
}

/// Something that threads wait for under the lock of one monitor.
package final class Condition: @unchecked Sendable {
  // SAFETY (Sendable): a condition is made for use by many threads; the pointer never changes.
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private let monitor: Monitor

  package init(of monitor: Monitor) {
    self.monitor = monitor
    condition = .allocate(capacity: 1)
    clinux_cond_init_monotonic(condition)
  }

  deinit {
    pthread_cond_destroy(condition)
    condition.deallocate()
  }

  /// Gives up the lock, waits to be signalled, and has the lock again. Also returns without a reason, so that the caller
  /// looks again at what it waits for. With the lock held.
  /// - Returns: false when `deadline` passed first.
  @discardableResult
  package func wait(until deadline: Deadline = .never) -> Bool {
    guard deadline != .never else { return pthread_cond_wait(condition, monitor.mutex) == 0 }
    var time = timespec(
      tv_sec: Int(clamping: deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
    return pthread_cond_timedwait(condition, monitor.mutex, &time) != ETIMEDOUT
  }

  /// Wakes one of those that wait.
  package func signal() { pthread_cond_signal(condition) }
  /// Wakes all that wait.
  package func broadcast() { pthread_cond_broadcast(condition) }
}
