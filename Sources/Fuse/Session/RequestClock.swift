import Glibc
import Synchronization

/// Since when a reader has worked on its request, and how many bytes of files it has moved. One per reader thread; read by the
/// thread that speaks with the mounter.
final class RequestClock: Sendable {
  /// Milliseconds of the coarse monotonic clock; 0 while there is no request.
  private let start = Atomic<UInt64>(0)
  private let isEnded = Atomic(false)
  private let readBytes = Atomic<UInt64>(0)
  private let writtenBytes = Atomic<UInt64>(0)

  func begin() { start.store(Self.now, ordering: .relaxed) }

  func stop() { start.store(0, ordering: .relaxed) }

  /// By the reader alone, so that an addition is a load and a store and no processor waits for another.
  func noteRead(_ count: Int) { Self.add(count, to: readBytes) }
  func noteWritten(_ count: Int) { Self.add(count, to: writtenBytes) }

  private static func add(_ count: Int, to sum: borrowing Atomic<UInt64>) {
    sum.store(sum.load(ordering: .relaxed) &+ UInt64(clamping: count), ordering: .relaxed)
  }

  /// What it has moved.
  var moved: (read: UInt64, written: UInt64) {
    (readBytes.load(ordering: .relaxed), writtenBytes.load(ordering: .relaxed))
  }

  /// The reader is gone.
  func end() {
    stop()
    isEnded.store(true, ordering: .relaxed)
  }

  var hasEnded: Bool { isEnded.load(ordering: .relaxed) }

  /// Nil without a request.
  func age(at now: UInt64) -> UInt64? {
    let start = start.load(ordering: .relaxed)
    return start == 0 ? nil : now - min(start, now)
  }

  /// Never 0. The coarse clock costs a few nanoseconds and is a tick late at most.
  static var now: UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
    return max(1, UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000)
  }
}
