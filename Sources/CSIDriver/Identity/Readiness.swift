package import LinuxSystem
internal import Synchronization

/// Whether the plugin can serve, found out at most once per second: probes come from several sidecars, and a look at the
/// disk costs as much as the rest of the call.
package final class Readiness: Sendable {
  /// How long a good answer holds. A bad one never does: the plugin is ready again as soon as the next probe sees it.
  package static let validity: Duration = .seconds(1)

  private let check: @Sendable () async -> Bool
  private let clock: @Sendable () -> Deadline
  private let goodUntil = Mutex<Deadline?>(nil)

  /// - Parameters:
  ///   - clock: the present moment; tests bring their own.
  ///   - check: looks; must return within the probe's deadline.
  package init(clock: @escaping @Sendable () -> Deadline = { .now }, check: @escaping @Sendable () async -> Bool) {
    self.clock = clock
    self.check = check
  }

  /// The last good answer while it holds, else a new one.
  package func isReady() async -> Bool {
    let now = clock()
    if let until = goodUntil.withLock({ $0 }), now < until { return true }
    let ready = await check()
    goodUntil.withLock { $0 = ready ? now.advanced(by: Self.validity) : nil }
    return ready
  }
}
