internal import ArgumentParser
internal import GRPC
internal import HTTPServer
internal import LinuxSystem
internal import Log
internal import Logging

/// The CSI plugin: reads its flags, builds the services, serves until SIGTERM.
@main
struct AlluxioCSI: AsyncParsableCommand {
  /// In GetPluginInfo and `--version`.
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "alluxio-csi",
    abstract: "Serves the Container Storage Interface for Alluxio under file systems, over FUSE.",
    discussion: """
      `alluxio-csi status` lists the volumes of this node, `alluxio-csi warm` loads one into the node's page store,
      `alluxio-csi doctor` looks for what is wrong with the node,
      `alluxio-csi metrics` lists what --metrics-address serves.
      """, version: version)

  @OptionGroup var options: Options

  /// These have flags of the same names, so they are no subcommands: the parent would take their values.
  static func main() async {
    let arguments = Array(CommandLine.arguments.dropFirst())
    switch arguments.first {
    case "status": await Status.main(Array(arguments.dropFirst()))
    case "doctor": await Doctor.main(Array(arguments.dropFirst()))
    case "warm": Warm.main(Array(arguments.dropFirst()))
    case "metrics": MetricList.main(Array(arguments.dropFirst()))
    default: await main(arguments)
    }
  }

  func run() async throws {
    Heap.limitArenas(to: 2)
    let settings: Settings
    do {
      settings = try Settings(options)
    } catch let error as SettingsError {
      throw ValidationError(error.description)
    }
    LineLogHandler.bootstrap(level: settings.logLevel, format: settings.logFormat)
    let logger = Logger(label: "alluxio-csi")
    do {
      try await serve(settings, logger)
    } catch let error as ExitCode {
      throw error
    } catch {
      logger.critical("cannot serve", metadata: ["reason": "\(error)"])
      throw ExitCode.failure
    }
  }

  private func serve(_ settings: Settings, _ logger: Logger) async throws {
    let signals = try TerminationSignal.signals()
    let plugin = try await Plugin(settings, version: Self.version, logger: logger)
    let server = try plugin.listen()
    let metrics = try plugin.serveMetrics()
    StartupText.release()
    let following = Task { await plugin.follow() }
    for await signal in signals {
      logger.notice("ending", metadata: ["signal": "\(signal)"])
      break
    }
    await metrics?.stop()
    // Calls that run may finish: the kubelet's own patience is two minutes, a container's usual grace thirty seconds.
    await server.shutdown(grace: .seconds(20))
    following.cancel()
    await following.value
  }
}
