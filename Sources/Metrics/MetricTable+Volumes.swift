/// What each volume of a node has. `volume` is its id, `group` the mount group of its pods, empty without one.
extension MetricTable {
  private static func volume(
    _ kind: Metric.Kind, _ name: String, _ labels: [String] = [], _ help: String
  ) -> Metric {
    Metric(kind, "alluxio_csi_volume_\(name)", ["volume", "group"] + labels, help)
  }

  // MARK: Mounts and workers

  package static let serving = volume(.gauge, "serving", [], "1 while a worker answers, as far as is known")
  package static let abnormal = volume(.gauge, "abnormal", [], "1 while the volume's condition is abnormal")
  package static let targets = volume(.gauge, "targets", [], "Targets at which the volume is published")
  package static let restarts = volume(
    .counter, "worker_restarts_total", [], "Workers that were started after the first")
  package static let deaths = volume(
    .counter, "worker_deaths_total", ["cause"],
    "Ends of workers: out_of_memory, signal, exit, unanswering, replaced, disconnected, not_serving, unknown")
  package static let pauseSeconds = volume(
    .counter, "pause_seconds_total", [], "Time without a worker that serves, from a death to the next one's readiness")
  package static let longestPause = volume(.gauge, "longest_pause_seconds", [], "The longest of these times")
  package static let workerStart = volume(
    .gauge, "worker_start_time_seconds", [], "When the living worker was started, in seconds of Unix time")
  package static let custodyComplete = volume(
    .gauge, "custody_complete", [], "1 while the next mounter could go on with the volume, should this one die")
  package static let custodians = volume(
    .gauge, "custodians", [], "Processes that keep the volume's descriptors beside the mounter")
  package static let credentialsRefused = volume(
    .gauge, "credentials_refused", [], "1 while the worker goes on with older credentials than it was given last")

  static let volumes = [
    serving, abnormal, targets, restarts, deaths, pauseSeconds, longestPause, workerStart, custodyComplete, custodians,
    credentialsRefused,
  ]

  // MARK: What applications do

  package static let requests = volume(
    .counter, "requests_total", [], "Requests of the kernel that the worker has answered")
  package static let requestErrors = volume(
    .counter, "request_errors_total", ["errno"], "Those that were answered with an error, by its name")
  package static let readBytes = volume(
    .counter, "read_bytes_total", [], "Bytes that applications have read through the worker")
  package static let writtenBytes = volume(
    .counter, "written_bytes_total", [], "Bytes that applications have written through the worker")
  package static let workerBytes = volume(.gauge, "worker_resident_bytes", [], "Resident memory of the worker")

  static let traffic = [requests, requestErrors, readBytes, writtenBytes, workerBytes]
}
