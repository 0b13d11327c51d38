internal import ArgumentParser
internal import CSIDriver
import Glibc
internal import LinuxSystem
internal import Log
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// `alluxio-csi warm VOLUME [PATH]`: loads a volume's files into the node's page store.
struct Warm: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "alluxio-csi warm",
    abstract: "Loads the files of a volume into the page store of this node.",
    discussion: "What is there already is passed over: after an interruption, run it again.")

  @Argument(help: "The volume's id, as `alluxio-csi status` shows it. It must be published on this node.")
  var volume: String

  @Argument(help: "A file or directory of the volume. Default: all of it.")
  var path: String = ""

  @Option(help: "The folder of the driver's own state, as the plugin has it.")
  var stateDir: String = NodePaths.stateDirectory(beneath: NodePaths.usualKubeletDirectory)

  @Option(help: "Files that are read at a time.")
  var readers: Int = 8

  @Option(help: .hidden) var worker: String?
  @Option(help: .hidden) var logLevel: String?
  @Option(help: .hidden) var logFormat: String = "text"
  /// The plugin's: the percentage is its first byte.
  @Option(help: .hidden) var progressDescriptor: Int32?

  func validate() throws {
    guard (1...128).contains(readers) else { throw ValidationError("--readers takes a number from 1 to 128") }
    guard !path.split(separator: "/").contains("..") else {
      throw ValidationError("PATH lies beneath the volume's root and has no '..'")
    }
  }

  func run() throws {
    if let level = logLevel.flatMap(Logger.Level.init(rawValue:)) {
      LineLogHandler.bootstrap(level: level, format: LogFormat(rawValue: logFormat) ?? .text)
    }
    for mount in try mountPoints() { try warm(mount) }
  }

  /// Pods of different groups have mounts of their own, and so page stores.
  private func mountPoints() throws -> [String] {
    let paths = NodePaths(stateDirectory: stateDir, kubeletDirectory: "")
    let keys: [WorkerKey]
    do throws(NodeReportError) {
      keys = try NodeReport.publishedKeys(of: volume, paths: paths).filter { worker == nil || $0.name == worker }
    } catch {
      throw ValidationError(error.description)
    }
    guard !keys.isEmpty else {
      throw ValidationError("volume \(volume) is not published on this node: see alluxio-csi status")
    }
    return keys.map(paths.mountPoint)
  }

  private func warm(_ mount: String) throws {
    let root: SharedDescriptor
    do throws(Errno) {
      root = SharedDescriptor(try Descriptor.open(mount, O_RDONLY | O_DIRECTORY))
    } catch {
      throw ValidationError(
        "cannot open the volume's mount \(mount) (\(error)): run this where the plugin runs, as root")
    }
    let warmUp = WarmUp(root: root, path: path, readers: readers)
    if logLevel != nil { return try log(warmUp) }
    var line = WarmLine(isTerminal: isatty(STDERR_FILENO) == 1)
    let end = try warmUp.run(every: line.interval) { line.show($0) }
    line.end(end)
    for failure in end.firstFailures { line.say("cannot read \(failure)") }
    if end.failures > 0 {
      line.say("\(end.failures) files could not be read")
      throw ExitCode.failure
    }
  }

  /// For the plugin, whose log this is.
  private func log(_ warmUp: WarmUp) throws {
    var logger = Logger(label: "warm")
    logger[metadataKey: "volume"] = "\(volume)"
    let start = Deadline.now.nanoseconds
    func words(_ progress: WarmUp.Progress) -> Logger.MetadataValue {
      "\(progress.line(seconds: Double(Deadline.now.nanoseconds - start) / 1e9, bar: 0))"
    }
    logger.info("loading the volume into the page store", metadata: ["path": "/\(path)"])
    let shared = progressDescriptor.map { SharedDescriptor(Descriptor(adopting: $0)) }
    let end = try warmUp.run(every: .seconds(30)) { progress in
      logger.info("loading", metadata: ["progress": words(progress)])
      _ = try? shared?.descriptor.write([UInt8(clamping: progress.percent)].span.bytes, at: 0)
    }
    logger.info("the volume is loaded into the page store", metadata: ["progress": words(end)])
    for failure in end.firstFailures { logger.warning("cannot be read", metadata: ["file": "\(failure)"]) }
    if end.failures > 0 { throw ExitCode.failure }
  }
}
