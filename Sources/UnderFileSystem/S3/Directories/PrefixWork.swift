package import LinuxSystem
import Synchronization
import SystemPackage

/// How long a call may work on a prefix, and how far it has come. One for each call.
package final class PrefixWork: Sendable {
  private let deadline: Deadline
  private let state = Mutex<(isCancelled: Bool, done: Int)>((false, 0))

  package init(by deadline: Deadline = .never) { self.deadline = deadline }

  /// Nobody waits for it any more: it ends after the requests that are under way.
  package func cancel() { state.withLock { $0.isCancelled = true } }

  /// Whether it has to end.
  var isOver: Bool { deadline.hasPassed || state.withLock { $0.isCancelled } }

  /// Keys that were moved or removed.
  var done: Int { state.withLock { $0.done } }

  func add(_ count: Int) { state.withLock { $0.done += count } }

  /// - Throws: `.interrupted` where it has to end.
  func check() throws(VolumeDirectoryError) {
    if isOver { throw .interrupted(done: done) }
  }

  /// Runs a call of a bucket.
  func asking<Value>(
    _ operation: String, _ body: () throws(BucketError) -> Value
  ) throws(VolumeDirectoryError) -> Value {
    try check()
    do throws(BucketError) { return try body() } catch {
      try check()
      throw .store(error, operation: operation)
    }
  }

  /// Runs calls of a bucket side by side, as ``ParallelCalls`` does.
  func asking(
    _ operation: String, times count: Int, width: Int,
    _ body: @escaping @Sendable (Int) throws(BucketError) -> Void
  ) throws(VolumeDirectoryError) {
    let failure = Mutex<BucketError?>(nil)
    do throws(Errno) {
      try ParallelCalls.run(count, width: width) { [self] index throws(Errno) in
        do throws(BucketError) {
          if isOver { throw BucketError(.late, "the time is over") }
          try body(index)
        } catch {
          failure.withLock { if $0 == nil { $0 = error } }
          throw error.errno
        }
      }
    } catch {
      try check()
      throw .store(failure.withLock { $0 } ?? BucketError(.other, "\(error)"), operation: operation)
    }
  }
}
