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

/// The driver of a node, with one published volume. Dropped, its programs are killed.
final class NodeProcesses {
  /// How a node is set up.
  struct Setup {
    var arrangement: Arrangement
    /// Folder with the programs.
    var binaries: String
    /// Everything of the node lies beneath it.
    var work: String
    /// The folder behind the volume.
    var underFileSystem: String
    /// Serves that folder; nil: it is the under file system itself.
    var store: ObjectStoreProcess?
    var mounterOptions: [String]
    /// Of the volume, beside its path.
    var attributes: [String: String]
  }

  let setup: Setup
  let paths: NodePaths
  /// What the applications see.
  var target: String { "\(paths.kubeletDirectory)/pods/pod/volumes/kubernetes.io~csi/faults/mount" }

  /// PID 1 of the mounter's container; nil where the plugin has started the mounter.
  private var mounterParent: NodeProgram?
  private var plugin: NodeProgram
  private var client: Client
  private let mounter: MounterClient

  private static let patience = Duration.seconds(30)
  private static let volume = "faults"

  init(_ setup: Setup) async throws {
    self.setup = setup
    let work = setup.work
    paths = NodePaths(stateDirectory: RunFolder.stateDirectory(in: work), kubeletDirectory: "\(work)/kubelet")
    for folder in [paths.stateDirectory, "\(work)/csi"] { try Folder.makeAll(folder) }
    if setup.arrangement == .apart {
      // As a node's root file system is shared.
      try Mount.bind(from: paths.kubeletDirectory, to: paths.kubeletDirectory)
      try Mount.setPropagation(.shared, of: paths.kubeletDirectory)
    }
    mounterParent = setup.arrangement == .own ? nil : try Self.startMounter(setup, paths)
    mounter = MounterClient(socket: Self.socket(setup, paths), program: "alluxio-faults")
    plugin = try Self.startPlugin(setup, paths)
    client = Client(try Endpoint(path: "\(work)/csi/csi.sock"))
    try await connect()
    let socket = Self.socket(setup, paths)
    _ = try await waiting("the mounter's socket") { access(socket, F_OK) == 0 ? true : nil }
    try Folder.makeAll((target as NSString).deletingLastPathComponent)
    try await CSICalls(client: client).publish(
      Self.volume, path: setup.store?.path ?? "file://\(setup.underFileSystem)", at: target,
      attributes: setup.attributes)
  }

  private static func socket(_ setup: Setup, _ paths: NodePaths) -> String {
    setup.arrangement == .own ? paths.mounterSocket : "\(setup.work)/mounter/mounter.sock"
  }

  // MARK: Starting

  private static func start(_ setup: Setup, _ name: String, _ arguments: [String]) throws -> NodeProgram {
    try NodeProgram(
      binaries: setup.binaries, work: setup.work, name: name, arguments: arguments + ["--log-level", "warning"],
      environment: setup.store?.environment ?? [], isApart: setup.arrangement == .apart)
  }

  private static func startMounter(
    _ setup: Setup, _ paths: NodePaths, _ more: [String] = []
  ) throws -> NodeProgram {
    // PID 1 of a namespace needs not be told that it is.
    let split = setup.arrangement == .apart ? [] : ["--as-init"]
    return try start(
      setup, "alluxio-mounter",
      split + ["--socket", socket(setup, paths), "--state-dir", paths.stateDirectory] + setup.mounterOptions + more)
  }

  private static func startPlugin(_ setup: Setup, _ paths: NodePaths) throws -> NodeProgram {
    let mounter = setup.arrangement == .own ? [] : ["--mounter-socket", socket(setup, paths)]
    return try start(
      setup, "alluxio-csi",
      [
        "--endpoint", "unix://\(setup.work)/csi/csi.sock", "--nodeid", "node", "--registry",
        "file:\(setup.work)/registry", "--state-dir", paths.stateDirectory, "--kubelet-dir", paths.kubeletDirectory,
        "--file-roots", setup.underFileSystem,
      ] + mounter)
  }

  /// Waits for the plugin that was just started.
  private func connect() async throws {
    let socket = "\(setup.work)/csi/csi.sock"
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
  /// - Parameter pid: as the mounter numbers it.
  func started(exceptBy pid: Int32) async throws -> WorkerStatus {
    try await waiting("the next worker") {
      guard let status = try? await self.status(), let next = status.pid, next != pid else { return nil }
      return status
    }
  }

  /// Once another worker than the one at that time serves.
  func moved(after before: WorkerStatus) async throws -> WorkerStatus {
    try await waiting("another worker that serves") {
      guard let status = try? await self.status(), status.state == .ready, status.pid != nil,
        status.restarts > before.restarts
      else { return nil }
      return status
    }
  }

  func status() async throws -> WorkerStatus? {
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

  /// A worker's process. The mounter may number it in a namespace of its own.
  func worker(_ status: WorkerStatus) throws -> PidFD {
    guard let pid = status.pid else { throw FaultError("no worker") }
    guard setup.arrangement == .apart else { return try PidFD(pid: pid) }
    for outer in try ProcessTable.pids() {
      guard let text = try? WholeFile.text("/proc/\(outer)/status"), text.hasPrefix("Name:\talluxio-fuse") else {
        continue
      }
      let numbers = text.split(separator: "\n").first { $0.hasPrefix("NSpid:") }?.split(separator: "\t")
      if numbers?.last == "\(pid)" { return try PidFD(pid: outer) }
    }
    throw FaultError("the worker \(pid) is not to be found")
  }

  /// The mounter that serves, the plugin's own too: the only child of its parent.
  func servingMounter() throws -> PidFD {
    for pid in try mounterParent.map({ try ProcessTable.children(of: $0.process.pid) }) ?? ProcessTable.pids() {
      let line = (try? WholeFile.text("/proc/\(pid)/cmdline")) ?? ""
      if line.contains("--parent-fd"), line.contains("alluxio-mounter"), line.contains(setup.work),
        let process = try? PidFD(pid: pid)
      {
        return process
      }
    }
    throw FaultError("no mounter serves")
  }

  func pluginProcess() -> PidFD { plugin.process }
  /// PID 1 of the mounter's container.
  func mounterContainer() throws -> PidFD {
    guard let mounterParent else { throw FaultError("the mounter has no parent") }
    return mounterParent.process
  }

  /// Waits for a process's end.
  func ended(_ process: PidFD, _ what: String) throws {
    guard try process.hasEnded(within: 30_000) else { throw FaultError("\(what) did not end") }
  }

  /// The next plugin on the same folders, once it serves. The last one has ended.
  func startNextPlugin() async throws {
    plugin.reap()
    unlink("\(setup.work)/csi/csi.sock")
    plugin = try Self.startPlugin(setup, paths)
    client.close()
    try await connect()
  }

  /// The next mounter with its parent, on the same folders. The last ones have ended.
  func startNextMounter() throws {
    mounterParent?.reap()
    mounterParent = try Self.startMounter(setup, paths)
  }

  /// The next mounter with its parent, started beside the one that serves, which ends when it has been followed.
  func followMounter() throws {
    let former = try mounterContainer()
    let formerParent = mounterParent
    mounterParent = try Self.startMounter(setup, paths, ["--take-over"])
    try ended(former, "the mounter that was followed")
    formerParent?.reap()
  }

  /// The last lines of the programs' logs.
  func logs() -> String {
    ["alluxio-mounter", "alluxio-csi"].map { name in
      let all = ((try? WholeFile.text("\(setup.work)/\(name).log")) ?? "").split(separator: "\n")
      // Deaths of workers are what is done to them.
      let lines = all.filter { !$0.contains(" interrupted: ") }.suffix(12)
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
    for program in [plugin, mounterParent].compactMap({ $0 }) {
      try? program.process.signal(SIGTERM)
      if (try? program.process.hasEnded(within: 10_000)) != true { failure = failure ?? FaultError("a program stays") }
      program.kill()
    }
    let left = try MountTable.read().beneath(setup.work).filter { $0.type == "fuse.alluxio-fuse" }
    if let failure { throw FaultError("could not be taken down: \(failure)") }
    if !left.isEmpty { throw FaultError("mounts are left: \(left.map(\.mountPoint))") }
  }
}
