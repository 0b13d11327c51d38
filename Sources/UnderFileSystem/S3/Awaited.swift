import LinuxSystem
import Synchronization
import SystemPackage

/// An answer that is on its way, and those that wait for it.
final class Awaited<Value: Sendable>: Sendable {
  private let monitor = Monitor()
  private let isOver: Condition
  private let answer = Mutex<Result<Value, Errno>?>(nil)

  init() { isOver = Condition(of: monitor) }

  /// The first one counts.
  func finish(_ result: Result<Value, Errno>) {
    monitor.locked {
      answer.withLock { if $0 == nil { $0 = result } }
      isOver.broadcast()
    }
  }

  func wait() throws(Errno) -> Value {
    try monitor.locked { () -> Result<Value, Errno> in
      while true {
        if let result = answer.withLock({ $0 }) { return result }
        isOver.wait()
      }
    }.get()
  }
}
