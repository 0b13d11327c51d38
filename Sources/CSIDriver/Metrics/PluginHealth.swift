internal import GRPC

/// What probes ask: whether the plugin answers on its CSI socket, and whether it is ready. Found out over the socket itself,
/// as the kubelet would; the mounter is shown and never counts.
package struct PluginHealth: Sendable {
  package struct Report: Sendable, Hashable {
    package var isGood: Bool
    /// A line for each thing that was looked at.
    package var lines: [String]
  }

  /// Below the timeout of a probe in the chart.
  private static let patience: Duration = .seconds(3)

  private let socket: ProbeClient
  private let mounter: MounterView?

  /// - Parameter mounter: nil in a controller.
  package init(socket: ProbeClient, mounter: MounterView?) {
    self.socket = socket
    self.mounter = mounter
  }

  /// For `/healthz`: calls are answered. A plugin that does not is to be started again; one whose registry does not answer is
  /// not, since that would help nobody.
  package func alive() async -> Report {
    do throws(RPCError) {
      try await socket.checkAnswers(within: Self.patience)
      return Report(isGood: true, lines: ["ok: the CSI socket answers"])
    } catch {
      return Self.silent(error)
    }
  }

  /// For `/readyz`: registry and state folder can be used as well.
  package func ready() async -> Report {
    async let mounter = mounterLine()
    var report = await alive()
    if report.isGood {
      // A registry that does not answer in time cannot be used either.
      report.isGood = (try? await socket.isReady(within: Self.patience)) ?? false
      report.lines.append(
        report.isGood
          ? "ok: registry and state folder can be used"
          : "FAILED: registry or state folder cannot be used; the plugin's log says why")
    }
    guard let line = await mounter else { return report }
    return Report(isGood: report.isGood, lines: report.lines + [line])
  }

  private static func silent(_ error: RPCError) -> Report {
    Report(isGood: false, lines: ["FAILED: the CSI socket does not answer: \(error.code)"])
  }

  private func mounterLine() async -> String? {
    guard let answer = await mounter?.current() else { return nil }
    return answer.statuses.map { "mounter: answers, with \($0.count) volumes" }
      ?? "mounter: does not answer; mounted volumes go on serving, and the plugin is ready without it"
  }
}
