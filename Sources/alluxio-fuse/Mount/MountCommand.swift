import Log
import Logging
import VolumeModel

/// `alluxio-fuse mount SOURCE MOUNTPOINT`: a mount for people, in the foreground.
struct MountCommand {
  private(set) var positions: [String] = []
  /// Texts after `-o`.
  private(set) var options: [String] = []
  private(set) var readOnly = false
  private(set) var logLevel = Logger.Level.notice
  private(set) var logFormat = LogFormat.text
  private(set) var wantsHelp = false

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

  /// Options may stand before, between and behind the two positions; `--` ends them; values follow a space or `=`.
  init(_ arguments: [String]) throws(Misuse) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if argument == "--" {
        positions += rest
        break
      }
      guard argument.utf8.first == UInt8(ascii: "-"), argument != "-" else {
        positions.append(argument)
        continue
      }
      try take(argument, &rest)
    }
    if wantsHelp { return }
    guard positions.count >= 2 else { throw Misuse(reason: "mount needs a source and a mount point") }
    guard positions.count == 2 else { throw Misuse(reason: "mount takes no argument '\(positions[2])'") }
  }

  private mutating func take(_ argument: String, _ rest: inout ArraySlice<String>) throws(Misuse) {
    let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    func value(_ rest: inout ArraySlice<String>) throws(Misuse) -> String {
      guard let value = halves.count == 2 ? halves[1] : rest.popFirst() else {
        throw Misuse(reason: "\(halves[0]) needs a value")
      }
      return value
    }
    switch halves[0] {
    case "-o": options.append(try value(&rest))
    case "--read-only" where halves.count == 1: readOnly = true
    case "--help" where halves.count == 1, "-h" where halves.count == 1: wantsHelp = true
    case "--log-level":
      let text = try value(&rest)
      guard let level = Logger.Level(rawValue: text) else { throw Misuse(reason: "--log-level knows no '\(text)'") }
      logLevel = level
    case "--log-format":
      let text = try value(&rest)
      guard let format = LogFormat(rawValue: text) else { throw Misuse(reason: "--log-format knows no '\(text)'") }
      logFormat = format
    default: throw Misuse(reason: "mount knows no option '\(halves[0])'")
    }
  }

  private func run() -> Int32 {
    LineLogHandler.bootstrap(level: logLevel, format: logFormat)
    do throws(MountProblem) {
      var options = try MountOptions(source: positions[0], options: options)
      if readOnly { options.worker.readOnly = true }
      try ForegroundMount(options: options, mountPoint: positions[1]).run()
      return 0
    } catch {
      Usage.complain(error.description)
      return 1
    }
  }
}
