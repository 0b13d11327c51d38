import Glibc
import LinuxSystem
import Log
import Logging
import Mounter
import SystemPackage
import VolumeModel

/// Exit codes: 0 ended as asked, 1 failed while serving, 2 the command line, 3 the socket cannot be served, 4 another mounter
/// serves it.
enum ExitCode {
  static let failed: Int32 = 1
  static let usage: Int32 = 2
  static let notServing: Int32 = 3
  static let succeeded = MounterParent.succeeded
}

func serve(_ options: Options) -> Int32 {
  var configuration = MounterServer.Configuration(
    socket: options.socket, stateDirectory: options.stateDirectory, worker: options.worker, log: options.log,
    program: "alluxio-mounter \(ProgramVersion.text)")
  configuration.cgroup = options.cgroup
  configuration.noticeAfter = options.noticeAfter
  configuration.killAfter = options.killAfter
  configuration.takesOver = options.takesOver
  configuration.doesWithoutResend = options.doesWithoutResend
  configuration.workerUsers = options.workerUsers
  configuration.environment = NodeEnvironment.relevant(ProcessEnvironment.all)
  let log = Logger(label: "mounter")
  let ready = options.readyDescriptor.map { ReadyNotice(adopting: Descriptor(adopting: $0)) }
  do throws(MounterError) {
    let server = try MounterServer(
      configuration, parent: options.parentDescriptor.map { SharedDescriptor(Descriptor(adopting: $0)) })
    do throws(Errno) {
      try server.run {
        ready?.tell(nil)
        StartupText.release()
      }
    } catch {
      log.critical("cannot go on", metadata: ["error": "\(error)"])
      ready?.tell(.system(error, step: options.takesOver ? "taking over the mounter's volumes" : "serving"))
      return ExitCode.failed
    }
    return 0
  } catch {
    log.critical("\(error)")
    ready?.tell(error)
    return error.isAddressInUse ? ExitCode.succeeded : ExitCode.notServing
  }
}

func runAsParent(_ options: Options, arguments: [String]) -> Int32 {
  // The child gets the same options, its own descriptors, and does not split again.
  var own: [String] = []
  var skips = false
  for argument in arguments {
    if skips {
      skips = false
    } else if argument == "--ready-fd" {
      skips = true
    } else if argument != "--as-init",
      !argument.hasPrefix("--ready-fd=")
    {
      own.append(argument)
    }
  }
  own += ["--parent-fd", "\(MounterParent.linkDescriptor)"]
  do throws(Errno) {
    let parent = try MounterParent(
      executable: ExecutablePath.own, arguments: own, socket: options.socket,
      staysWhenFollowed: options.staysWhenFollowed)
    return try parent.run(readyDescriptor: options.readyDescriptor)
  } catch {
    Logger(label: "mounter-parent").critical("cannot go on", metadata: ["error": "\(error)"])
    return ExitCode.failed
  }
}

do throws(Options.Instead) {
  let options = try Options(CommandLine.arguments)
  LineLogHandler.bootstrap(level: options.log.level, format: options.log.format)
  let splits = options.parentDescriptor == nil && (options.actsAsInit || getpid() == 1)
  exit(splits ? runAsParent(options, arguments: CommandLine.arguments) : serve(options))
} catch {
  switch error {
  case .print(let text):
    print(text)
    exit(0)
  case .refuse(let reason):
    StandardError.write("alluxio-mounter: \(reason)\n")
    StandardError.write("Try alluxio-mounter --help.\n")
    exit(ExitCode.usage)
  }
}
