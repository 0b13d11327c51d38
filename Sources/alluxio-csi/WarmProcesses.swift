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
  private struct Running {
    var process: PidFD
    /// One byte of memory that the process writes.
    var percent: SharedDescriptor
  }

  /// By worker key's name.
  private let running = Mutex<[String: Running]>([:])
  /// The process's number of it.
  private static let progressDescriptor: CInt = 3

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
        let begun = try start(key, path: path)
        running[name] = begun
        return begun.process
      }
      guard let process else { return }
      try DetachedThread.start(name: "warm-wait", stackSize: 256 << 10) { [self] in
        // It says itself how it went.
        _ = try? process.wait()
        running.withLock { if $0[name]?.process === process { $0[name] = nil } }
      }
    } catch {
      logger.warning(
        "the volume is not loaded into the page store", metadata: ["volume": "\(key.volumeID)", "error": "\(error)"])
    }
  }

  func stop(_ key: WorkerKey) {
    // Fails only where it has ended.
    try? running.withLock { $0[key.name] }?.process.signal(SIGKILL)
  }

  func percent(of key: WorkerKey) -> Int? {
    let shared = running.withLock { $0[key.name]?.percent }
    return shared.map { shared in
      let byte = (try? Memfd.firstBytes(1, of: shared.descriptor))?.first
      return min(100, Int(byte ?? 0))
    }
  }

  private func start(_ key: WorkerKey, path: String) throws(Errno) -> Running {
    let percent = SharedDescriptor(
      try Memfd.create(name: "warm", byteCount: 1, sealing: [.shrink, .grow, .seal]))
    var spawn = Spawn(
      executable: ExecutablePath.own,
      arguments: [
        "alluxio-csi", "warm", "--state-dir", stateDirectory, "--worker", key.name, "--log-level",
        logLevel.rawValue, "--log-format", logFormat.rawValue, "--progress-descriptor",
        "\(Self.progressDescriptor)", "--", key.volumeID, path,
      ], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"])
    spawn.descriptors = [Self.progressDescriptor: percent.descriptor.rawValue]
    return Running(process: try spawn.start(), percent: percent)
  }
}
