import ArgumentParser
import Log
import Logging
import VolumeModel

/// `alluxio-fuse mount SOURCE MOUNTPOINT`: a mount for people, in the foreground.
struct MountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount",
    abstract: "Mounts a directory and serves it until Ctrl-C.",
    discussion: """
      Options after -o are those of a volume: attrTimeout=SECONDS, entryTimeout=SECONDS, readAhead=BYTES, uid=, gid=, \
      umask=, ro. Options that have no meaning here, as allow_other, are taken and do nothing.
      """)

  @Argument(help: "What to show: file:///directory")
  var source: String

  @Argument(help: "An empty directory to show it at.")
  var mountPoint: String

  @Option(name: .short, help: "Options, separated by commas. May be repeated.")
  var o: [String] = []

  @Flag(help: "Refuse every change.")
  var readOnly = false

  @Option(help: "trace, debug, info, notice, warning, error or critical")
  var logLevel = "notice"

  @Option(help: "text or json")
  var logFormat = "text"

  func validate() throws {
    guard Logger.Level(rawValue: logLevel) != nil else { throw ValidationError("--log-level knows no '\(logLevel)'.") }
    guard LogFormat(rawValue: logFormat) != nil else { throw ValidationError("--log-format is text or json.") }
  }

  func run() throws {
    LineLogHandler.bootstrap(
      level: Logger.Level(rawValue: logLevel) ?? .notice, format: LogFormat(rawValue: logFormat) ?? .text)
    var options = try MountOptions(source: source, options: o)
    if readOnly { options.worker.readOnly = true }
    // ArgumentParser writes a problem as one sentence on standard error and exits with status 1.
    try ForegroundMount(options: options, mountPoint: mountPoint).run()
  }
}
