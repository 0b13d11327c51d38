internal import LinuxSystem
internal import Metrics
internal import VolumeModel

/// All metrics of one plugin. A scrape takes locks for moments only, and waits for the mounter alone, on no thread that a call
/// needs.
package struct PluginMetrics: Sendable {
  private let version: String
  private let mode: String
  private let calls: CallMetrics
  /// Nil in a controller.
  private let node: (service: NodeService, view: MounterView)?

  package init(version: String, mode: String, calls: CallMetrics, node: (service: NodeService, view: MounterView)?) {
    self.version = version
    self.mode = mode
    self.calls = calls
    self.node = node
  }

  /// The text of a scrape.
  package func text() async -> String {
    var exposition = Exposition()
    exposition.add(MetricTable.buildInfo, [version, mode], value: 1)
    calls.add(to: &exposition)
    if let usage = try? ProcessUsage.own() { Self.add(usage, to: &exposition) }
    if let node {
      let answer = await node.view.current()
      exposition.add(MetricTable.mounterUp, holds: answer.statuses != nil)
      exposition.add(MetricTable.mounterSeconds, value: answer.seconds)
      let targets = node.service.targetCounts
      exposition.add(MetricTable.nodeTargets, count: UInt64(targets.values.reduce(0, +)))
      if let statuses = answer.statuses { NodeMetrics().add(statuses, targets: targets, to: &exposition) }
    }
    return exposition.text
  }

  private static func add(_ usage: ProcessUsage, to exposition: inout Exposition) {
    exposition.add(MetricTable.cpuSeconds, value: usage.cpuSeconds)
    exposition.add(MetricTable.residentBytes, count: usage.residentBytes)
    exposition.add(MetricTable.virtualBytes, count: usage.virtualBytes)
    exposition.add(MetricTable.openDescriptors, count: usage.openDescriptors)
    exposition.add(MetricTable.maximumDescriptors, count: usage.maximumDescriptors)
    exposition.add(MetricTable.startTime, value: usage.startTime)
    exposition.add(MetricTable.threads, count: usage.threads)
  }
}

extension NodeService {
  /// Published targets of each worker, by its name.
  var targetCounts: [String: Int] {
    records.all.reduce(into: [:]) { $0[$1.workerKey.name, default: 0] += 1 }
  }
}
