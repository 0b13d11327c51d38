import LinuxSystem
import Synchronization

/// A thread that can be waited for.
package final class LoadThread: Sendable {
  private let done: EventFD?

  package init(_ body: @escaping @Sendable () -> Void) {
    let done = try? EventFD()
    self.done = done
    _ = try? DetachedThread.start(name: "load", stackSize: 1 << 20) {
      body()
      done?.signal()
    }
  }

  package func join() { _ = try? done?.descriptor.isReadable(within: -1) }
}

/// Set once, when a load is to end.
package final class EndFlag: Sendable {
  private let value = Atomic(false)
  package init() {}
  package var isSet: Bool { value.load(ordering: .relaxed) }
  package func set() { value.store(true, ordering: .relaxed) }
}
