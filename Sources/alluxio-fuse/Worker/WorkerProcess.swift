import Fuse
import LinuxSystem
import Log
import Logging
import Mounter
import SystemPackage
import VolumeModel

/// `alluxio-fuse worker`: one volume's process, started by a mounter with its control socket as descriptor 3.
enum WorkerProcess {
  static let argument = "worker"
  static let check = "--check"

  /// `alluxio-fuse worker --check`: confines itself as a worker does and says what build it is, for a mounter that wants to
  /// know before it lets a worker go.
  static func sayBuild() -> WorkerExit {
    ProcessSettings.apply()
    _ = ProcessSettings.confine() + ProcessSettings.confineToDirectory()
    print(WorkerBuild.own.line)
    return .done
  }

  static func run() -> WorkerExit {
    guard Descriptor.isOpen(WorkerChannel.descriptorNumber) else {
      bootstrap(LogOptions())
      Logger(label: "worker").error("only alluxio-mounter starts a worker; to mount by hand use alluxio-fuse mount")
      return .usage
    }
    ProcessSettings.apply()
    // It may have been started by a descriptor's number.
    ProcessAttributes.setThreadName("alluxio-fuse")
    let failures = ProcessSettings.confine()
    let channel = WorkerChannel(adopting: Descriptor(adopting: WorkerChannel.descriptorNumber))
    do throws(WorkerChannelError) {
      let configuration = try channel.receiveConfiguration()
      return serve(configuration, channel, notConfined: failures + ProcessSettings.confineToDirectory())
    } catch {
      bootstrap(LogOptions())
      Logger(label: "worker").error("no configuration came from the mounter", metadata: ["error": "\(error)"])
      try? channel.failed("the configuration could not be read: \(error)")
      return .failed
    }
  }

  private static func bootstrap(_ options: LogOptions) {
    LineLogHandler.bootstrap(level: options.level, format: options.format)
  }

  private static func serve(
    _ configuration: borrowing WorkerConfiguration, _ channel: WorkerChannel, notConfined: [String]
  ) -> WorkerExit {
    bootstrap(configuration.log)
    ProcessTitle.put(configuration.request.key.volumeID)
    var log = Logger(label: "worker")
    log[metadataKey: "volume"] = "\(configuration.request.key.volumeID)"
    for failure in notConfined {
      log.warning("the worker keeps more rights than it needs", metadata: ["step": "\(failure)"])
    }
    // Kept until the process ends: whatever mounters believe, the kernel lets one worker at a time have it.
    do throws(Errno) { try ProcessLock.take(configuration.sharedState) } catch {
      try? channel.failed("another worker still serves the volume (\(error))")
      return .failed
    }
    do throws(Errno) {
      let backings = configuration.granted.contains(.passthrough) ? MounterBackings(channel, log) : nil
      let volume = try makeVolume(configuration, MounterCustody(channel, log), backings, log)
      volume.session.whenFirstAnswered { try? channel.answered() }
      try begin(volume, configuration, log)
      try? channel.ready()
      WorkerControl(channel: channel, volume: volume, backings: backings, log: log).start()
      StartupText.release()
      return finish(volume.session.wait(), log)
    } catch {
      let reason = "cannot serve \(configuration.request.underFileSystem): \(error)"
      log.error("\(reason)")
      try? channel.failed(reason)
      return .failed
    }
  }

  private static func makeVolume(
    _ configuration: borrowing WorkerConfiguration, _ custody: MounterCustody,
    _ backings: MounterBackings?, _ log: Logger
  ) throws(Errno) -> ServedVolume {
    guard let root = try duplicate(configuration.underFileSystemRoot) else { throw .invalidArgument }
    return try ServedVolume(
      root: root, state: configuration.sharedState, device: try configuration.fuseDevice.duplicate(),
      fuseInit: configuration.fuseInit, options: configuration.request.options, custody: custody,
      backings: backings, log: log)
  }

  private static func duplicate(_ descriptor: borrowing Descriptor?) throws(Errno) -> Descriptor? {
    switch descriptor {
    case .some(let descriptor): try descriptor.duplicate()
    case .none: nil
    }
  }

  /// From the second worker of a mount on, the kernel is asked for what the dead one had read; before Linux 6.9 it cannot,
  /// and only what nobody had read goes on.
  private static func begin(
    _ volume: ServedVolume, _ configuration: borrowing WorkerConfiguration, _ log: Logger
  ) throws(Errno) {
    let generation = configuration.generation
    #if FAULT_INJECTION
      CrashOnPurpose.arm(volume.fileSystem)
    #endif
    if generation > 1, configuration.granted.contains(.hasResend) { try volume.session.requestResend() }
    try volume.session.start()
    log.info("serving", metadata: ["generation": "\(generation)"])
  }

  private static func finish(_ end: SessionEnd?, _ log: Logger) -> WorkerExit {
    let end = end ?? .stopped
    log.info("served to the end", metadata: ["why": "\(end)"])
    return WorkerExit(end)
  }
}
