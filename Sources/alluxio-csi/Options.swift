internal import ArgumentParser
internal import CSIDriver
internal import VolumeModel

/// The flags as they are typed; `Settings` checks them.
struct Options: ParsableArguments {
  @Option(help: "Where to serve: unix:///path/to/csi.sock. Without it, the variable CSI_ENDPOINT.")
  var endpoint: String?

  @Option(help: "This node's id, in NodeGetInfo; needed by the node service.")
  var nodeid: String?

  @Option(help: "Which services to serve: all, controller or node.")
  var mode: String = "all"

  @Option(help: "The name of the driver, in GetPluginInfo.")
  var driverName: String = "alluxio"

  @Option(
    help: "Where volumes are remembered: file:DIRECTORY, kubernetes. Default: registry/ in the state folder.")
  var registry: String?

  @Option(help: "The folder of the driver's own state. Default: plugins/csi-alluxio-plugin/ in the kubelet's folder.")
  var stateDir: String?

  @Option(help: "The kubelet's folder; target paths lie beneath it.")
  var kubeletDir: String = NodePaths.usualKubeletDirectory

  @Option(help: "The socket of a running alluxio-mounter. Without it the plugin starts one of its own.")
  var mounterSocket: String?

  @Option(help: "Directories that file:// volumes may lie in, separated by commas. Default: none.")
  var fileRoots: [String] = []

  @Option(help: "Directories that file:// volumes written into a pod may lie in, separated by commas. Default: none.")
  var inlineFileRoots: [String] = []

  @Option(
    help: "The folder that s3:// and oss:// volumes are cached in. Default: pages/ in the state folder.")
  var pageStore: String?

  @Option(help: "What all of that folder may take, such as 100Gi; 0: no cache. Default: a quarter of its file system.")
  var pageStoreSize: String?

  @Option(
    help: "Buckets or prefixes, such as s3://bucket/prefix, whose volumes share what is cached, separated by commas.")
  var sharePages: [String] = []

  @Option(
    help: "Who is told beside pods and claims of what happens to their volumes: kubernetes, or none.")
  var events: String = "none"

  @Option(
    help: "Where this node says how its volumes are, for AlluxioVolume objects: kubernetes, or none.")
  var nodeReports: String = "none"

  @Option(
    help: "Where this node has a taint removed once volumes can be used on it: kubernetes, or none.")
  var startupTaint: String = "none"

  @Option(help: "The key of that taint.")
  var startupTaintKey: String = StartupTaint.usualKey

  @Option(help: "Volumes that this node takes at a time; 0: no limit.")
  var maxVolumes: Int = 0

  @Option(
    help: "Where /metrics, /healthz and /readyz are served: HOST:PORT or :PORT. Default: nowhere.")
  var metricsAddress: String?

  @Option(help: "trace, debug, info, notice, warning, error or critical. Default: info.")
  var logLevel: String?

  @Option(help: "text or json.")
  var logFormat: String = "text"

  @Option(
    name: [.customShort("v"), .customLong("v")], help: "Verbosity as other drivers take it: 5 is debug, 8 is trace.")
  var verbosity: Int?
}
