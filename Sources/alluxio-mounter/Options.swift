import LinuxSystem
import Log
import Logging
import Mounter
import SystemPackage
import VolumeModel

/// The command line of `alluxio-mounter`.
struct Options {
  var socket: String
  var stateDirectory: String
  var worker: String
  var log = LogOptions()
  var cgroup = CgroupSetting.automatic
  var noticeAfter = Duration.seconds(10)
  var killAfter = Duration.seconds(120)
  /// Who workers for object stores run as.
  var workerUsers: Range<UInt32> = 1_900_000_000..<1_900_065_536
  /// Takes the word of readiness.
  var readyDescriptor: CInt?
  /// The link to a parent that holds descriptors.
  var parentDescriptor: CInt?
  /// Follow the mounter that has the socket.
  var takesOver = false
  /// Split even where this process is not PID 1.
  var actsAsInit = false
  /// Once followed, wait as long as the other one lives.
  var staysWhenFollowed = false
  /// As if the kernel could not send requests again. Of debug builds, for their tests.
  var doesWithoutResend = false

  /// What to do instead of serving.
  enum Instead: Error {
    case print(String)
    case refuse(String)
  }

  #if FAULT_INJECTION
    private static let injected: [CommandLineOptions.Known] = [.init("without-resend", takesValue: false)]
  #else
    private static let injected: [CommandLineOptions.Known] = []
  #endif

  private static let known: [CommandLineOptions.Known] = [
    .init("socket"), .init("state-dir"), .init("worker"), .init("cgroup"), .init("notice-after"), .init("kill-after"),
    .init("worker-users"), .init("log-level"), .init("log-format"),
    .init("ready-fd"),
    .init("parent-fd"), .init("as-init", takesValue: false), .init("take-over", takesValue: false),
    .init("stay", takesValue: false), .init("version", takesValue: false),
    .init("help", takesValue: false, letter: "h"),
  ]

  static let usage = """
    Mounts volumes for alluxio-csi and keeps them mounted: it opens /dev/fuse, starts one alluxio-fuse per volume and
    stops it. As PID 1 of a container it splits into a parent that holds descriptors and a mounter that serves.

    Usage: alluxio-mounter --socket PATH --state-dir FOLDER [options]

      --socket PATH        unix socket to serve; its folder is made with mode 0700
      --state-dir FOLDER   the node plugin's --state-dir: mounts lie at FOLDER/volumes/HASH/mount
      --worker PATH        the program alluxio-fuse (default: beside this program)
      --cgroup WHERE       workers get cgroups of their own, with the memoryLimit of their volumes: auto (the default),
                           beneath the mounter's where that can be written; off; or beneath the cgroup with this folder
      --notice-after TIME  until the condition of a volume says that its worker answers nothing (default: 10)
      --kill-after TIME    until such a worker is killed and followed by another (default: 120); in seconds
      --worker-users FIRST:COUNT
                           workers for object stores run as users, and groups of the same numbers, of this range, one
                           for each; nobody else on the node may be one of them (default: 1900000000:65536)
      --log-level LEVEL    trace, debug, info, notice, warning, error or critical (default: info)
      --log-format FORMAT  text or json (default: text)
      --ready-fd NUMBER    descriptor that gets `ready` once the socket is served, or the reason why not
      --as-init            split as PID 1 does
      --take-over          where another mounter serves the socket, follow it: take volume after volume over, then the
                           socket, whereupon it ends; should that fail, it goes on with all of them and this one ends
      --stay               once followed, the parent waits until the other mounter is gone, and then serves again, instead
                           of ending: a container that ends is started again, and would follow in turn
      --version            print the version
      -h, --help           print this

    SIGTERM ends the mounter and leaves every volume as it is: mounted, and served by its worker. SIGHUP moves every volume
    to a worker of the program that --worker names now.
    """

  /// - Parameter arguments: with the program's name.
  init(_ arguments: [String]) throws(Instead) {
    let given: CommandLineOptions
    do throws(CommandLineOptions.Misunderstood) {
      given = try CommandLineOptions(Array(arguments.dropFirst()), known: Self.known + Self.injected)
    } catch {
      throw .refuse(error.description)
    }
    if given["help"] != nil { throw .print(Self.usage) }
    if given["version"] != nil { throw .print("alluxio-mounter \(ProgramVersion.text)") }
    socket = try Self.path(given, "socket")
    stateDirectory = try Self.path(given, "state-dir")
    worker = given["worker"] ?? Self.besideThisProgram("alluxio-fuse")
    cgroup = try Self.value(given, "cgroup", Self.cgroup) ?? .automatic
    noticeAfter = try Self.value(given, "notice-after", Self.seconds) ?? noticeAfter
    killAfter = try Self.value(given, "kill-after", Self.seconds) ?? killAfter
    workerUsers = try Self.value(given, "worker-users", Self.users) ?? workerUsers
    log.level = try Self.value(given, "log-level") { Logger.Level(rawValue: $0) } ?? .info
    log.format = try Self.value(given, "log-format") { LogFormat(rawValue: $0) } ?? .text
    readyDescriptor = try Self.value(given, "ready-fd") { CInt($0) }
    parentDescriptor = try Self.value(given, "parent-fd") { CInt($0) }
    actsAsInit = given["as-init"] != nil
    takesOver = given["take-over"] != nil
    staysWhenFollowed = given["stay"] != nil
    doesWithoutResend = given["without-resend"] != nil
  }

  private static func path(_ given: CommandLineOptions, _ name: String) throws(Instead) -> String {
    guard var path = given[name] else { throw .refuse("--\(name) is missing") }
    guard path.hasPrefix("/") else { throw .refuse("--\(name) \(path) is not an absolute path") }
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
  }

  private static func value<Value>(
    _ given: CommandLineOptions, _ name: String, _ parse: (String) -> Value?
  ) throws(Instead) -> Value? {
    guard let text = given[name] else { return nil }
    guard let value = parse(text) else { throw .refuse("--\(name) cannot be \(text)") }
    return value
  }

  private static func seconds(_ text: String) -> Duration? {
    guard let seconds = Double(text), seconds >= 0.05, seconds <= 86_400 else { return nil }
    return .milliseconds(Int64(seconds * 1000))
  }

  private static func users(_ text: String) -> Range<UInt32>? {
    let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
    guard numbers.count == 2, let first = numbers[0], let count = numbers[1], first > 0, count > 0,
      first <= .max - count
    else { return nil }
    return first..<(first + count)
  }

  private static func cgroup(_ text: String) -> CgroupSetting? {
    switch text {
    case "auto": .automatic
    case "off": .off
    default: text.hasPrefix("/") ? .beneath(text) : nil
    }
  }

  private static func besideThisProgram(_ name: String) -> String { ExecutablePath.beside(name) }
}
