import Metrics
import Testing

@Suite("The text of a scrape")
struct ExpositionTests {
  @Test("samples come by metric, each with its help and kind once, in the order of the table")
  func order() {
    var exposition = Exposition()
    exposition.add(MetricTable.mounterUp, holds: true)
    exposition.add(MetricTable.rpcs, ["Probe", "OK"], count: 7)
    exposition.add(MetricTable.rpcs, ["Probe", "INTERNAL"], count: 1)
    #expect(
      exposition.text == """
        # HELP alluxio_csi_rpcs_total CSI calls that have ended, by gRPC code
        # TYPE alluxio_csi_rpcs_total counter
        alluxio_csi_rpcs_total{method="Probe",code="OK"} 7
        alluxio_csi_rpcs_total{method="Probe",code="INTERNAL"} 1
        # HELP alluxio_csi_mounter_up \(MetricTable.mounterUp.help)
        # TYPE alluxio_csi_mounter_up gauge
        alluxio_csi_mounter_up 1

        """)
  }

  @Test("a name from outside does not break out of its label")
  func escaping() {
    var exposition = Exposition()
    exposition.add(MetricTable.serving, ["a\"} 1\nb\\", ""], holds: false)
    #expect(exposition.text.hasSuffix(#"alluxio_csi_volume_serving{volume="a\"} 1\nb\\",group=""} 0"# + "\n"))
  }

  @Test("a histogram counts below each bound, and all below infinity")
  func histogram() throws {
    var histogram = Histogram(bounds: try #require(MetricTable.rpcSeconds.bounds))
    for value in [0.001, 0.004, 100] { histogram.add(value) }
    var exposition = Exposition()
    exposition.add(MetricTable.rpcSeconds, ["Probe"], histogram)
    let text = exposition.text
    let name = "alluxio_csi_rpc_duration_seconds"
    #expect(text.contains("\(name)_bucket{method=\"Probe\",le=\"0.001\"} 1\n"))
    #expect(text.contains("\(name)_bucket{method=\"Probe\",le=\"0.0025\"} 1\n"))
    #expect(text.contains("\(name)_bucket{method=\"Probe\",le=\"0.005\"} 2\n"))
    #expect(text.contains("\(name)_bucket{method=\"Probe\",le=\"60\"} 2\n"))
    #expect(text.contains("\(name)_bucket{method=\"Probe\",le=\"+Inf\"} 3\n"))
    #expect(text.contains("\(name)_count{method=\"Probe\"} 3\n"))
    #expect(text.contains("\(name)_sum{method=\"Probe\"} 100.005\n"))
  }

  @Test("a summary has its quantiles, sum and count")
  func summary() {
    var exposition = Exposition()
    exposition.add(
      MetricTable.storeSeconds, ["v", "", "GetObject"], quantiles: [(0.5, 0.25), (0.99, 2)], sum: 5, count: 3)
    let name = "alluxio_csi_volume_ufs_request_duration_seconds"
    let labels = "volume=\"v\",group=\"\",kind=\"GetObject\""
    #expect(exposition.text.contains("\(name){\(labels),quantile=\"0.5\"} 0.25\n"))
    #expect(exposition.text.contains("\(name)_sum{\(labels)} 5\n\(name)_count{\(labels)} 3\n"))
  }

  @Test("every metric has a name of its own, as Prometheus has them, and says what it means")
  func table() {
    let all = MetricTable.all
    #expect(Set(all.map(\.name)).count == all.count && all.count > 40)
    for metric in all {
      #expect(metric.name.hasPrefix("alluxio_csi_") || metric.name.hasPrefix("process_"))
      #expect((metric.kind == .counter) == metric.name.hasSuffix("_total"), "\(metric.name)")
      #expect(!metric.help.isEmpty && !metric.help.hasSuffix(".") && !metric.help.contains("|"), "\(metric.name)")
      #expect((metric.bounds != nil) == (metric.kind == .histogram), "\(metric.name)")
      #expect(!metric.labels.contains { ["le", "quantile", "path", "target", "pid"].contains($0) }, "\(metric.name)")
    }
  }
}
