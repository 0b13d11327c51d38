import CFuse
import Synchronization
import VolumeFileSystem

/// Notices that every request which the kernel resends to this worker has been worked on.
///
/// FUSE_NOTIFY_RESEND puts them, marked, before all requests that wait: who reads one without the mark knows that others
/// have read all marked ones. Each reader works on one request at a time, so they are done when every reader that was there
/// by then has finished its turn. (FORGET and INTERRUPT wait in queues of their own and say nothing.)
final class ResendDrain: Sendable {
  private struct Progress: Sendable {
    /// Turns begun before the first unmarked request was seen, and not ended.
    var early = 0
    var sawUnmarked = false
  }

  private let fileSystem: VolumeFileSystem
  private let progress = Mutex(Progress())
  /// Nothing is left to be noticed.
  private let isOver: Atomic<Bool>

  init(_ fileSystem: VolumeFileSystem) {
    self.fileSystem = fileSystem
    isOver = Atomic(!fileSystem.waitsForResentRequests)
  }

  /// A reader is about to read. - Returns: what it gives to `end` when it is done with the request.
  func begin() -> Bool {
    if isOver.load(ordering: .relaxed) { return false }
    return progress.withLock { progress in
      if !progress.sawUnmarked { progress.early += 1 }
      return !progress.sawUnmarked
    }
  }

  /// A reader has read a request.
  func took(opcode: UInt32, isResent: Bool) {
    if isOver.load(ordering: .relaxed) || isResent { return }
    switch opcode {
    case FUSE_FORGET.rawValue, FUSE_BATCH_FORGET.rawValue, FUSE_INTERRUPT.rawValue: return
    default: progress.withLock { $0.sawUnmarked = true }
    }
  }

  /// The reader is done with the request, or ends without one.
  func end(_ isEarly: Bool) {
    guard isEarly else { return }
    let isLast = progress.withLock { progress in
      progress.early -= 1
      return progress.sawUnmarked && progress.early == 0
    }
    if isLast {
      fileSystem.resentRequestsAreDrained()
      isOver.store(true, ordering: .relaxed)
    }
  }
}
