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
      return begin(configuration, channel, notConfined: failures)
    } catch {
      bootstrap(LogOptions())
      Logger(label: "worker").error("no configuration came from the mounter", metadata: ["error": "\(error)"])
      try? channel.failed("the configuration could not be read: \(error)")
      return .failed
    }
  }

  /// Gives up what its volume does not need, now that it is known.
  private static func begin(
    _ configuration: borrowing WorkerConfiguration, _ channel: WorkerChannel, notConfined: [String]
  ) -> WorkerExit {
    let failures: [String]
    do throws(StoreConfinement.Problem) { failures = try confine(configuration) } catch {
      bootstrap(configuration.log)
      Logger(label: "worker").error("\(error)")
      try? channel.failed("\(error)")
      return .failed
    }
    return serve(configuration, channel, notConfined: notConfined + failures)
  }

  private static func confine(
    _ configuration: borrowing WorkerConfiguration
  ) throws(StoreConfinement.Problem) -> [String] {
    if configuration.request.objectStore == nil { return ProcessSettings.confineToDirectory() }
    switch configuration.pageFolder {
    case .some(let folder):
      return try StoreConfinement.apply(
        folder: folder, sharedPages: configuration.sharedPages, environment: configuration.environment)
    case .none: throw .folderMissing
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
    if let trace = configuration.trace { log[metadataKey: "trace"] = "\(trace)" }
    for failure in notConfined {
      log.warning("the worker keeps more rights than it needs", metadata: ["step": "\(failure)"])
    }
    // Kept until the process ends: whatever mounters believe, the kernel lets one worker at a time have it.
    do throws(Errno) { try ProcessLock.take(configuration.sharedState) } catch {
      try? channel.failed("another worker still serves the volume (\(error))")
      return .failed
    }
    #if FAULT_INJECTION
      ConfinementProbe.run(log)
    #endif
    let volume: ServedVolume
    let backings = configuration.granted.contains(.passthrough) ? MounterBackings(channel, log) : nil
    do throws(WorkerVolume.Problem) {
      volume = try WorkerVolume.make(configuration, MounterCustody(channel, log), backings, log)
    } catch {
      let reason = error.sentence(configuration.request.underFileSystem)
      log.error("\(reason)")
      if let refusal = error.refusal { try? channel.refused(refusal, reason) } else { try? channel.failed(reason) }
      return .failed
    }
    do throws(Errno) {
      volume.session.whenFirstAnswered { try? channel.answered() }
      try begin(volume, configuration, log)
      try? channel.ready()
      WorkerControl(channel: channel, volume: volume, backings: backings, log: log).start()
      StartupText.release()
      return finish(volume, log)
    } catch {
      let reason = "cannot serve \(configuration.request.underFileSystem): \(error)"
      log.error("\(reason)")
      try? channel.failed(reason)
      return .failed
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

  /// The next worker waits for the end of this one, and starts with the pages that it has written down.
  private static let lastWrites = Duration.milliseconds(200)

  private static func finish(_ volume: ServedVolume, _ log: Logger) -> WorkerExit {
    let end = volume.session.wait() ?? .stopped
    volume.objects?.close(by: .after(lastWrites))
    log.info("served to the end", metadata: ["why": "\(end)"])
    return WorkerExit(end)
  }
}
