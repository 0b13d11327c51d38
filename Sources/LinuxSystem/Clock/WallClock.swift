import Glibc

/// The time of day, as files are stamped with it. It may jump: use ``Deadline`` to measure.
package enum WallClock {
  /// CLOCK_REALTIME_COARSE in nanoseconds since the epoch: the kernel's own source for file times, read without a
  /// system call, a few milliseconds behind at most.
  package static var coarseNanoseconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
