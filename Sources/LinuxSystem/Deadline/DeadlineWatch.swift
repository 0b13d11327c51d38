import SystemPackage

/// One thread that tells when deadlines pass, for all calls of a pool or all requests of a client.
///
/// `Task.sleep` would do, but a cancelled sleep stays in memory until its time has come: with a deadline of a minute per
/// call, some ten megabytes at a few hundred calls a second.
package final class DeadlineWatch: @unchecked Sendable {
  // SAFETY (Sendable): all mutable state is touched only under `monitor`.

  /// Names a watched deadline until it is cancelled or has passed.
  package typealias ID = UInt64

  private let monitor: Monitor
  private let wakeUp: Condition
  /// At most as many as calls run or wait, so that looking through all of them is cheap.
  private var entries: [ID: (deadline: Deadline, body: @Sendable () -> Void)] = [:]
  private var nextID: ID = 0
  private var isRunning = false
  /// What the thread sleeps until, while it sleeps.
  private var sleepsUntil: Deadline?

  /// How long the thread stays without anything to watch.
  private static let idle: Duration = .seconds(10)
  private static let stackSize = 256 << 10

  package init() {
    monitor = Monitor()
    wakeUp = Condition(of: monitor)
  }

  /// Calls `body` once on the watch's thread when `deadline` passes, unless cancelled before. `body` must not block.
  package func add(_ deadline: Deadline, _ body: @escaping @Sendable () -> Void) -> ID {
    let (id, startsThread) = monitor.locked { () -> (ID, Bool) in
      nextID += 1
      entries[nextID] = (deadline, body)
      if let sleepsUntil, deadline < sleepsUntil { wakeUp.signal() }
      defer { isRunning = true }
      return (nextID, !isRunning)
    }
    if startsThread { startThread() }
    return id
  }

  /// Forgets the deadline. Its body may be running at this moment.
  package func cancel(_ id: ID) { monitor.locked { _ = entries.removeValue(forKey: id) } }

  private func startThread() {
    do throws(Errno) {
      try DetachedThread.start(name: "deadlines", stackSize: Self.stackSize) { self.serve() }
    } catch {
      // Out of threads: the next call tries again.
      monitor.locked { isRunning = false }
    }
  }

  private func serve() {
    while let due = waitForDue() {
      for body in due { body() }
    }
  }

  /// What has passed, at least one, in the order of the deadlines; nil when there was nothing to watch for a while, and the thread ends.
  private func waitForDue() -> [@Sendable () -> Void]? {
    monitor.locked {
      let idleEnd = Deadline.after(Self.idle)
      while true {
        let now = Deadline.now
        let due = entries.filter { $0.value.deadline <= now }
        if !due.isEmpty {
          for id in due.keys { entries.removeValue(forKey: id) }
          return due.values.sorted { $0.deadline < $1.deadline }.map(\.body)
        }
        if entries.isEmpty, idleEnd <= now {
          isRunning = false
          return nil
        }
        let end = entries.values.map(\.deadline).min() ?? idleEnd
        sleepsUntil = end
        wakeUp.wait(until: end)
        sleepsUntil = nil
      }
    }
  }
}
