internal import ArgumentParser
internal import CSIDriver
internal import GRPC
internal import LinuxSystem
internal import Log
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// `alluxio-csi doctor`: what is wrong with this node, and what to do about it.
struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-csi doctor",
    abstract: "Says line by line what volumes need of this node and whether it is there, and what to do.",
    discussion: """
      Run it in the plugin's container. It ends with 1 where a line begins with FAIL, with 0 otherwise. Credentials are
      never arguments: --secret-dir names a folder, or else the environment and files of the node are used.
      """)

  @Option(help: "The kubelet's folder, as the plugin has it.")
  var kubeletDir: String = NodePaths.usualKubeletDirectory

  @Option(help: "The folder of the driver's own state. Default: plugins/csi-alluxio-plugin/ in the kubelet's folder.")
  var stateDir: String?

  @Option(help: "The plugin's socket, as the plugin has it. Default: csi.sock in the state folder.")
  var endpoint: String?

  @Option(help: "The mounter's socket, as the plugin has it. Default: in the state folder.")
  var mounterSocket: String?

  @Option(help: "The name of the driver.")
  var driverName: String = "alluxio"

  @Option(help: "The folder that s3:// and oss:// volumes are cached in. Default: pages/ in the state folder.")
  var pageStore: String?

  @Option(help: "An under file system that is tried: file:///directory, s3://bucket/prefix or oss://bucket/prefix.")
  var ufs: String?

  @Option(name: [.customShort("o"), .customLong("options")], help: "Its options, as alluxio-fuse mount has them.")
  var options: [String] = []

  @Option(help: "A folder with a file for each key of a secret, as a pod has a Secret mounted.")
  var secretDir: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() async throws {
    // What is found is said once, by the lines that are printed.
    LineLogHandler.bootstrap(level: .critical, format: .text)
    let state = stateDir ?? NodePaths.stateDirectory(beneath: kubeletDir)
    let paths = NodePaths(stateDirectory: state, kubeletDirectory: kubeletDir)
    var checkup = Checkup(
      paths: paths, socket: try endpoint.map(Self.path) ?? "\(state)/csi.sock",
      mounterSocket: mounterSocket ?? paths.mounterSocket, driverName: driverName,
      pageStore: pageStore ?? paths.pageStore)
    if let ufs {
      do throws(CSIError) { checkup = try checkup.adding(try volume(ufs), secrets: try secrets()) } catch {
        throw ValidationError(error.message)
      }
    } else if !options.isEmpty || secretDir != nil {
      throw ValidationError("--options and --secret-dir are of an under file system: name it with --ufs")
    }
    let report = await checkup.run()
    print(json ? report.json() : report.description)
    if report.state == .failure { throw ExitCode.failure }
  }

  private static func path(_ endpoint: String) throws -> String {
    do throws(EndpointError) { return try Endpoint(endpoint).path } catch { throw ValidationError(error.description) }
  }

  private func volume(_ text: String) throws(CSIError) -> VolumeContext {
    let source: UnderFileSystemURI
    do throws(UnderFileSystemURI.ParseError) { source = try UnderFileSystemURI(parsing: text) } catch {
      throw .malformedField("--ufs", problem: error.reason)
    }
    let list = MountOptionList(options, of: source, written: text)
    do throws(VolumeContextError) {
      _ = try VolumeModel.MountFlags(list.others)
      return try VolumeContext(parsing: list.entries, from: .attributes, schemes: UnderFileSystemURI.Scheme.available)
    } catch {
      throw .volumeContext(error)
    }
  }

  /// The files of the folder by their names. Kubernetes has links of its own in it, whose names begin with two dots.
  private func secrets() throws(CSIError) -> [String: String] {
    guard let folder = secretDir else { return [:] }
    do throws(Errno) {
      var found: [String: String] = [:]
      for name in try DirectoryNames.list(folder) where !name.hasPrefix(".") {
        found[name] = try WholeFile.text("\(folder)/\(name)", limit: 1 << 20)
      }
      return found
    } catch {
      throw .malformedField("--secret-dir", problem: "cannot be read (\(error)): name a folder of files")
    }
  }
}
