package import LinuxSystem
internal import SystemPackage

/// One thing that volumes need of a node, looked at without changing anything that stays.
package protocol NodeCheck: Sendable {
  /// At the head of its lines.
  var name: String { get }

  /// - Returns: one at least, by the deadline, whatever hangs.
  func findings(by deadline: Deadline) async -> [Finding]
}

extension NodeCheck {
  func ok(_ what: String) -> Finding { Finding(check: name, state: .ok, what: what) }

  func warning(_ what: String, fix: String) -> Finding { Finding(check: name, state: .warning, what: what, fix: fix) }

  func failure(_ what: String, fix: String) -> Finding { Finding(check: name, state: .failure, what: what, fix: fix) }

  /// Looks on a thread that may be left behind in the kernel.
  func blocking(by deadline: Deadline, _ look: @escaping @Sendable () -> [Finding]) async -> [Finding] {
    do throws(BlockingCallError) {
      return try await BlockingCall.run(name: name, deadline: deadline) { () throws(Errno) in look() }
    } catch {
      return [
        failure(
          "it did not answer in time",
          fix: "a disk, a network file system or a mount of this node hangs: its kernel log (dmesg) names it")
      ]
    }
  }
}
