internal import ArgumentParser
internal import CSIDriver
internal import LinuxSystem
internal import VolumeModel

/// `alluxio-csi status`: what the volumes of this node are doing.
struct Status: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-csi status", abstract: "Lists the volumes of this node, their workers and their targets.")

  @Option(help: "The folder of the driver's own state, as the plugin has it.")
  var stateDir: String = NodePaths.stateDirectory(beneath: NodePaths.usualKubeletDirectory)

  @Option(help: "The mounter's socket, as the plugin has it. Default: in the state folder.")
  var mounterSocket: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// A mounter answers in milliseconds.
  private static let patience = Duration.seconds(5)

  func run() async throws {
    let paths = NodePaths(stateDirectory: stateDir, kubeletDirectory: "")
    do throws(NodeReportError) {
      let report = try await NodeReport.read(
        paths: paths, socket: mounterSocket ?? paths.mounterSocket, by: .after(Self.patience))
      print(json ? try report.json() : report.description)
    } catch {
      throw ValidationError(error.description)
    }
  }
}
