import BenchmarkCalls
import Foundation
import GRPC
import LinuxSystem
import Mounter
import VolumeModel

/// What went wrong, in a sentence for the person who reads the table.
struct FaultError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// The driver of a node as in its containers: a mounter that is PID 1's child and restarted by it, a plugin beside it, and
/// one published volume.
final class NodeProcesses {
  let paths: NodePaths
  /// What the applications see.
  var target: String { "\(paths.kubeletDirectory)/pods/pod/volumes/kubernetes.io~csi/faults/mount" }

  private let binaries: String
  private let work: String
  private let underFileSystem: String
  private let mounterOptions: [String]
  private var mounterParent: PidFD
  private var plugin: PidFD
  private var client: Client
  private let mounter: MounterClient

  private static let patience = Duration.seconds(30)
  private static let volume = "faults"

  init(binaries: String, work: String, underFileSystem: String, mounterOptions: [String]) async throws {
    (self.binaries, self.work, self.underFileSystem) = (binaries, work, underFileSystem)
    self.mounterOptions = mounterOptions
    paths = NodePaths(stateDirectory: "\(work)/kubelet/plugins/alluxio", kubeletDirectory: "\(work)/kubelet")
    for folder in [paths.stateDirectory, "\(work)/csi"] { try Folder.makeAll(folder) }
    mounterParent = try Self.startMounter(binaries, work, paths, mounterOptions)
    mounter = MounterClient(socket: Self.socket(work), program: "alluxio-faults")
    plugin = try Self.startPlugin(binaries, work, paths, underFileSystem)
    client = Client(try Endpoint(path: "\(work)/csi/csi.sock"))
    try await connect()
    try Folder.makeAll((target as NSString).deletingLastPathComponent)
    try await CSICalls(client: client).publish(Self.volume, path: "file://\(underFileSystem)", at: target)
  }

  private static func socket(_ work: String) -> String { "\(work)/mounter/mounter.sock" }

  // MARK: Starting

  private static func start(_ binaries: String, _ work: String, _ name: String, _ arguments: [String]) throws -> PidFD {
    let log = try Descriptor.open("\(work)/\(name).log", O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    var spawn = Spawn(
      executable: "\(binaries)/\(name)", arguments: ["\(binaries)/\(name)"] + arguments,
      environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    return try spawn.start()
  }

  private static func startMounter(_ binaries: String, _ work: String, _ paths: NodePaths, _ options: [String]) throws
    -> PidFD
  {
    try start(
      binaries, work, "alluxio-mounter",
      ["--as-init", "--socket", socket(work), "--state-dir", paths.stateDirectory, "--log-level", "warning"] + options)
  }

  private static func startPlugin(
    _ binaries: String, _ work: String, _ paths: NodePaths, _ underFileSystem: String
  ) throws -> PidFD {
    try start(
      binaries, work, "alluxio-csi",
      [
        "--endpoint", "unix://\(work)/csi/csi.sock", "--nodeid", "node", "--registry", "file:\(work)/registry",
        "--state-dir", paths.stateDirectory, "--kubelet-dir", paths.kubeletDirectory, "--mounter-socket", socket(work),
        "--file-roots", underFileSystem, "--log-level", "warning",
      ])
  }

  /// Waits for the plugin that was just started.
  private func connect() async throws {
    let socket = "\(work)/csi/csi.sock"
    // gRPC core would let a second pass before it tries a second time.
    _ = try await waiting("the plugin's socket") { access(socket, F_OK) == 0 ? true : nil }
    client = Client(try Endpoint(path: socket))
    let message = OutgoingMessage()
    _ = try await client.call("/csi.v1.Identity/Probe", message, timeout: Self.patience, waitForReady: true)
  }

  // MARK: The volume's worker

  /// The volume as its mounter sees it, once a worker serves it.
  /// - Parameter pid: of a worker that is gone and does not count.
  func served(exceptBy pid: Int32? = nil) async throws -> WorkerStatus {
    try await waiting("a worker that serves") {
      guard let status = try? await self.status(), status.state == .ready, status.pid != nil, status.pid != pid else {
        return nil
      }
      return status
    }
  }

  /// The next worker's process, whether it serves already or not.
  func started(exceptBy pid: Int32) async throws -> Int32 {
    try await waiting("the next worker") {
      guard let next = try? await self.status()?.pid, next != pid else { return nil }
      return next
    }
  }

  private func status() async throws -> WorkerStatus? {
    try await mounter.list(by: .after(.seconds(2))).first { $0.request.key.volumeID == Self.volume }
  }

  private func waiting<Value>(_ what: String, _ look: () async throws -> Value?) async throws -> Value {
    let limit = Deadline.after(Self.patience)
    while !limit.hasPassed {
      if let value = try await look() { return value }
      usleep(1_000)
    }
    throw FaultError("waited \(Self.patience) for \(what)")
  }

  // MARK: Processes to hit

  /// The mounter that serves: the only child of the parent that was given its descriptor.
  func servingMounter() throws -> PidFD {
    let parent = mounterParent.pid
    let children = try WholeFile.text("/proc/\(parent)/task/\(parent)/children").split(separator: " ")
    for child in children.compactMap({ Int32($0) }) {
      let line = (try? WholeFile.text("/proc/\(child)/cmdline")) ?? ""
      if line.contains("--parent-fd"), let process = try? PidFD(pid: child) { return process }
    }
    throw FaultError("no mounter serves")
  }

  func pluginProcess() -> PidFD { plugin }
  func mounterParentProcess() -> PidFD { mounterParent }

  /// Waits for a process's end.
  func ended(_ process: PidFD, _ what: String) throws {
    guard try process.hasEnded(within: 30_000) else { throw FaultError("\(what) did not end") }
  }

  /// The next plugin on the same folders, once it serves. The last one has ended.
  func startNextPlugin() async throws {
    _ = try? plugin.wait()
    unlink("\(work)/csi/csi.sock")
    plugin = try Self.startPlugin(binaries, work, paths, underFileSystem)
    client.close()
    try await connect()
  }

  /// The next mounter with its parent, on the same folders. The last ones have ended.
  func startNextMounter() throws {
    _ = try? mounterParent.wait()
    mounterParent = try Self.startMounter(binaries, work, paths, mounterOptions)
  }

  /// The last lines of the programs' logs.
  func logs() -> String {
    ["alluxio-mounter", "alluxio-csi"].map { name in
      let lines = ((try? WholeFile.text("\(work)/\(name).log")) ?? "").split(separator: "\n").suffix(12)
      return "--- \(name)\n\(lines.joined(separator: "\n"))"
    }.joined(separator: "\n")
  }

  // MARK: The end

  /// Unpublishes, ends everything, and says what was left.
  func stop() async throws {
    var failure: (any Error)?
    do { try await CSICalls(client: client).unpublish(Self.volume, at: target) } catch { failure = error }
    do { try await mounter.shutdown(unmountingAll: true, by: .after(Self.patience)) } catch {
      failure = failure ?? error
    }
    client.close()
    for process in [plugin, mounterParent] {
      try? process.signal(SIGTERM)
      if (try? process.hasEnded(within: 10_000)) != true { try? process.signal(SIGKILL) }
      _ = try? process.wait()
    }
    let left = try MountTable.read().beneath(work).filter { $0.type == "fuse.alluxio-fuse" }
    clear(left)
    if let failure { throw FaultError("could not be taken down: \(failure)") }
    if !left.isEmpty { throw FaultError("mounts are left: \(left.map(\.mountPoint))") }
  }

  /// What a driver that failed has left: its workers and mounts.
  private func clear(_ left: [MountEntry]) {
    for entry in left {
      try? FuseConnection(entry).abort()
      try? Mount.unmount(entry.mountPoint, flags: [.detach, .noFollow])
    }
    for name in (try? DirectoryNames.list("/proc")) ?? [] {
      guard let pid = Int32(name), let program = try? SymbolicLink.read("/proc/\(pid)/exe") else { continue }
      let line = (try? WholeFile.text("/proc/\(pid)/cmdline")) ?? ""
      if String(decoding: program, as: UTF8.self) == "\(binaries)/alluxio-fuse", line.contains(work) {
        kill(pid, SIGKILL)
      }
    }
  }
}
