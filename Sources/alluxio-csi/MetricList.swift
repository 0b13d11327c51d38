internal import ArgumentParser
internal import FoundationEssentials
internal import Metrics

/// `alluxio-csi metrics`: the metrics that `--metrics-address` serves.
struct MetricList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-csi metrics", abstract: "Lists the metrics that --metrics-address serves.")

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    guard json else { return print(MetricTable.markdown) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(MetricTable.all), as: UTF8.self))
  }
}
