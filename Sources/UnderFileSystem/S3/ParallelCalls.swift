import LinuxSystem
import Synchronization
import SystemPackage

/// Calls on a store side by side: each waits for its answer, and many wait no longer than one.
enum ParallelCalls {
  private static let stackSize = 256 << 10

  /// Runs `body` for 0 to `count` − 1, at most `width` at a time; after a failure no more begin.
  /// - Throws: the first failure, once all that began are over.
  static func run(
    _ count: Int, width: Int, _ body: @escaping @Sendable (Int) throws(Errno) -> Void
  ) throws(Errno) {
    let progress = Mutex<(next: Int, failure: Errno?)>((0, nil))
    let work: @Sendable () -> Void = {
      while true {
        let index = progress.withLock { progress -> Int? in
          guard progress.failure == nil, progress.next < count else { return nil }
          progress.next += 1
          return progress.next - 1
        }
        guard let index else { return }
        do throws(Errno) { try body(index) } catch {
          progress.withLock { if $0.failure == nil { $0.failure = error } }
        }
      }
    }
    var others: [Awaited<Bool>] = []
    for _ in 1..<max(1, min(width, count)) {
      let isOver = Awaited<Bool>()
      let started = try? DetachedThread.start(name: "object-calls", stackSize: stackSize) {
        work()
        isOver.finish(.success(true))
      }
      // This thread alone does it as well.
      guard started != nil else { break }
      others.append(isOver)
    }
    work()
    for other in others { _ = try other.wait() }
    if let failure = progress.withLock({ $0.failure }) { throw failure }
  }
}
