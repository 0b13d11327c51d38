internal import CSIDriver
import Glibc
internal import LinuxSystem
internal import Log
internal import Logging
internal import Synchronization
internal import SystemPackage
internal import VolumeModel

/// Warms each volume in a process of its own: who reads a mount may have to wait for its worker, and the plugin must not.
final class WarmProcesses: VolumeWarming {
  private let stateDirectory: String
  private let logLevel: Logger.Level
  private let logFormat: LogFormat
  private let logger = Logger(label: "warm")
  /// By worker key's name.
  private let running = Mutex<[String: PidFD]>([:])

  init(stateDirectory: String, logLevel: Logger.Level, logFormat: LogFormat) {
    self.stateDirectory = stateDirectory
    self.logLevel = logLevel
    self.logFormat = logFormat
  }

  func warm(_ key: WorkerKey, path: String) {
    let name = key.name
    do throws(Errno) {
      let process = try running.withLock { (running) throws(Errno) -> PidFD? in
        if running[name] != nil { return nil }
        let process = try start(key, path: path)
        running[name] = process
        return process
      }
      guard let process else { return }
      try DetachedThread.start(name: "warm-wait", stackSize: 256 << 10) { [self] in
        // It says itself how it went.
        _ = try? process.wait()
        running.withLock { if $0[name] === process { $0[name] = nil } }
      }
    } catch {
      logger.warning(
        "the volume is not loaded into the page store", metadata: ["volume": "\(key.volumeID)", "error": "\(error)"])
    }
  }

  func stop(_ key: WorkerKey) {
    // Fails only where it has ended.
    try? running.withLock { $0[key.name] }?.signal(SIGKILL)
  }

  private func start(_ key: WorkerKey, path: String) throws(Errno) -> PidFD {
    let spawn = Spawn(
      executable: ExecutablePath.own,
      arguments: [
        "alluxio-csi", "warm", "--state-dir", stateDirectory, "--worker", key.name, "--log-level",
        logLevel.rawValue, "--log-format", logFormat.rawValue, "--", key.volumeID, path,
      ], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"])
    return try spawn.start()
  }
}
