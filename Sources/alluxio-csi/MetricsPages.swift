internal import CSIDriver
internal import HTTPServer
internal import Metrics

/// What `--metrics-address` serves.
enum MetricsPages {
  static func reply(to path: String, _ metrics: PluginMetrics, _ health: PluginHealth) async -> ServerReply {
    switch path {
    case "/metrics": ServerReply(200, contentType: Exposition.contentType, await metrics.text())
    case "/healthz": reply(await health.alive())
    case "/readyz": reply(await health.ready())
    default: ServerReply(404, "there are /metrics, /healthz and /readyz\n")
    }
  }

  private static func reply(_ report: PluginHealth.Report) -> ServerReply {
    ServerReply(report.isGood ? 200 : 503, report.lines.map { $0 + "\n" }.joined())
  }
}
