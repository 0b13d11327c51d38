/// All metrics of the plugin. The table in deploy/monitoring, the dashboard and the tests are made from it or
/// compared with it.
package enum MetricTable {
  /// In the order of the exposition.
  package static let all: [Metric] = plugin + process + node + volumes + traffic + cache + store

  // MARK: The plugin

  package static let buildInfo = Metric(
    .gauge, "alluxio_csi_build_info", ["version", "mode"], scope: .plugin, "1, with the version and mode of the plugin")
  package static let rpcs = Metric(
    .counter, "alluxio_csi_rpcs_total", ["method", "code"], scope: .plugin, "CSI calls that have ended, by gRPC code")
  package static let rpcSeconds = Metric(
    .histogram, "alluxio_csi_rpc_duration_seconds", ["method"], scope: .plugin,
    bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    "How long CSI calls took")
  package static let rpcsRunning = Metric(
    .gauge, "alluxio_csi_rpcs_in_flight", [], scope: .plugin, "CSI calls that run")

  static let plugin = [buildInfo, rpcs, rpcSeconds, rpcsRunning]

  // MARK: The plugin's process, by the names that all programs give them

  package static let cpuSeconds = Metric(
    .counter, "process_cpu_seconds_total", [], scope: .plugin, "Processor time of the plugin, user and system")
  package static let residentBytes = Metric(
    .gauge, "process_resident_memory_bytes", [], scope: .plugin, "Resident memory of the plugin")
  package static let virtualBytes = Metric(
    .gauge, "process_virtual_memory_bytes", [], scope: .plugin, "Virtual memory of the plugin")
  package static let openDescriptors = Metric(
    .gauge, "process_open_fds", [], scope: .plugin, "Open descriptors of the plugin")
  package static let maximumDescriptors = Metric(
    .gauge, "process_max_fds", [], scope: .plugin, "Descriptors that the plugin may open")
  package static let startTime = Metric(
    .gauge, "process_start_time_seconds", [], scope: .plugin, "When the plugin was started, in seconds of Unix time")
  package static let threads = Metric(.gauge, "process_threads", [], scope: .plugin, "Threads of the plugin")

  static let process = [
    cpuSeconds, residentBytes, virtualBytes, openDescriptors, maximumDescriptors, startTime, threads,
  ]

  // MARK: The node

  package static let mounterUp = Metric(
    .gauge, "alluxio_csi_mounter_up", [], "1 where the mounter answers; without it all metrics of volumes are missing")
  package static let mounterSeconds = Metric(
    .gauge, "alluxio_csi_mounter_answer_seconds", [], "How long the mounter took for its last answer")
  package static let nodeVolumes = Metric(
    .gauge, "alluxio_csi_node_volumes", [], "Volumes that the mounter has, one for each group of pods")
  package static let nodeTargets = Metric(
    .gauge, "alluxio_csi_node_targets", [], "Targets that the plugin has published")
  package static let omittedVolumes = Metric(
    .gauge, "alluxio_csi_node_volumes_omitted", [], "Volumes without metrics of their own, beyond the first 500")

  static let node = [mounterUp, mounterSeconds, nodeVolumes, nodeTargets, omittedVolumes]
}
