import LinuxSystem
import Log
import Logging
import VolumeModel

/// `alluxio-fuse mount SOURCE MOUNTPOINT`: a mount for people, in the foreground.
struct MountCommand {
  private let positions: [String]
  /// Texts after `-o`.
  private let options: [String]
  private let readOnly: Bool
  private let logLevel: Logger.Level
  private let logFormat: LogFormat
  /// Of benchmarks, and so not in the help.
  private let withoutRecovery: Bool
  private let wantsHelp: Bool

  /// A command line that is not understood.
  struct Misuse: Error {
    let reason: String
  }

  /// - Returns: the exit status.
  static func run(_ arguments: [String]) -> Int32 {
    do throws(Misuse) {
      let command = try MountCommand(arguments)
      if command.wantsHelp {
        print(Usage.text)
        return 0
      }
      return command.run()
    } catch {
      return Usage.refuse(error.reason)
    }
  }

  private static let known: [CommandLineOptions.Known] = [
    .init("options", letter: "o"), .init("read-only", takesValue: false), .init("log-level"), .init("log-format"),
    .init("without-recovery", takesValue: false), .init("help", takesValue: false, letter: "h"),
  ]

  /// Options may stand before, between and behind the source and the mount point.
  init(_ arguments: [String]) throws(Misuse) {
    let given: CommandLineOptions
    do throws(CommandLineOptions.Misunderstood) {
      given = try CommandLineOptions(arguments, known: Self.known, takesOperands: true)
    } catch {
      if case .unknown(let option) = error { throw Misuse(reason: "mount knows no option '\(option)'") }
      throw Misuse(reason: error.description)
    }
    wantsHelp = given["help"] != nil
    withoutRecovery = given["without-recovery"] != nil
    positions = given.operands
    options = given.all("options")
    readOnly = given["read-only"] != nil
    logLevel = try Self.value(given, "log-level") { Logger.Level(rawValue: $0) } ?? .notice
    logFormat = try Self.value(given, "log-format") { LogFormat(rawValue: $0) } ?? .text
    if wantsHelp { return }
    guard positions.count >= 2 else { throw Misuse(reason: "mount needs a source and a mount point") }
    guard positions.count == 2 else { throw Misuse(reason: "mount takes no argument '\(positions[2])'") }
  }

  private static func value<Value>(
    _ given: CommandLineOptions, _ name: String, _ parse: (String) -> Value?
  ) throws(Misuse) -> Value? {
    guard let text = given[name] else { return nil }
    guard let value = parse(text) else { throw Misuse(reason: "--\(name) knows no '\(text)'") }
    return value
  }

  private func run() -> Int32 {
    LineLogHandler.bootstrap(level: logLevel, format: logFormat)
    do throws(MountProblem) {
      var options = try MountOptions(source: positions[0], options: options)
      if readOnly { options.worker.readOnly = true }
      try ForegroundMount(options: options, mountPoint: positions[1], recordsForNext: !withoutRecovery).run()
      return 0
    } catch {
      Usage.complain(error.description)
      return 1
    }
  }
}
