import Fuse

/// Exit statuses of a worker, those above 1 as in sysexits.h. The mounter shows them; it learns reasons from the log.
enum WorkerExit: Int32 {
  /// Unmounted, stopped or drained: everything that was begun is answered.
  case done = 0
  /// It could not begin to serve.
  case failed = 1
  /// Not started by a mounter.
  case usage = 64
  /// The device could not be read.
  case deviceFailed = 74
  /// It was told to stop and requests were still being worked on when its time was over; another worker gets them again.
  case requestsLeft = 75

  init(_ end: SessionEnd) {
    switch end {
    case .unmounted, .stopped: self = .done
    case .failed: self = .deviceFailed
    }
  }
}
