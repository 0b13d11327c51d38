import CSIDriver
import GRPC
import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import VolumeModel

/// The real plugin, in a process of its own, with the real mounter and real workers, over folders of its own.
final class PluginProcess: Sendable {
  let folder: TemporaryDirectory
  private let arguments: [String]
  private let process: SharedBox<PidFD>
  private let connection: SharedBox<CSICalls>

  /// To the running plugin; a new connection after each restart.
  var calls: CSICalls { connection.value }

  var data: String { folder.appending("data") }
  var log: String { (try? WholeFile.text(folder.appending("log"))) ?? "" }

  private init(_ folder: TemporaryDirectory, _ more: [String]) async throws {
    self.folder = folder
    let socket = folder.appending("csi/csi.sock")
    arguments =
      [
        "--endpoint", "unix://\(socket)", "--nodeid", "node", "--kubelet-dir", folder.appending("kubelet"),
        "--state-dir", folder.appending("state"), "--file-roots", folder.appending("data"), "--inline-file-roots",
        folder.appending("inline"),
      ] + more
    process = SharedBox(try Self.start(folder, arguments))
    connection = SharedBox(try await Self.connect(folder))
  }

  /// Waits for the socket first: a client that comes too early lets a second pass before it tries again.
  private static func connect(_ folder: TemporaryDirectory) async throws -> CSICalls {
    let socket = folder.appending("csi/csi.sock")
    try Waiting.untilExists(socket)
    let calls = CSICalls(try Endpoint("unix://\(socket)"))
    try await calls.probe()
    return calls
  }

  /// Runs `body` with a plugin, and takes down everything of it whatever happens.
  static func with<Value>(
    _ more: [String] = [], _ body: (PluginProcess) async throws -> Value
  ) async throws -> Value {
    let folder = try TemporaryDirectory("plugin")
    for name in ["kubelet", "state", "data", "inline", "csi"] { try folder.makeDirectory(name, mode: 0o700) }
    let plugin: PluginProcess
    do { plugin = try await PluginProcess(folder, more) } catch {
      print((try? WholeFile.text(folder.appending("log"))) ?? "no log")
      throw error
    }
    do {
      let value = try await body(plugin)
      await plugin.stop()
      return value
    } catch {
      print(plugin.log)
      await plugin.stop()
      throw error
    }
  }

  /// The same where what is mounted in the kubelet's and the state folder reaches other namespaces, as on a node. The two
  /// folders are mount points then.
  static func withSharedFolders(_ body: (PluginProcess) async throws -> Void) async throws {
    try await with { plugin in
      let folders = ["kubelet", "state"].map(plugin.folder.appending)
      defer { for folder in folders { try? Mount.unmount(folder, flags: [.detach]) } }
      for folder in folders {
        try Mount.bind(from: folder, to: folder)
        try Mount.setPropagation(.shared, of: folder)
      }
      try await body(plugin)
    }
  }

  /// Until the volume "v", published at this target, has such a condition.
  func waitForCondition(
    at name: String, _ wanted: (VolumeCondition) -> Bool
  ) async throws -> VolumeCondition {
    for _ in 0..<1_000 {
      let condition = try await calls.stats("v", at: target(name)).condition
      if wanted(condition) { return condition }
    }
    throw Errno.timedOut
  }

  private static func start(_ folder: TemporaryDirectory, _ arguments: [String]) throws -> PidFD {
    let log = try Descriptor.open(folder.appending("log"), O_WRONLY | O_CREAT | O_APPEND, mode: 0o600)
    let program = try builtProduct("alluxio-csi")
    var spawn = Spawn(executable: program, arguments: ["alluxio-csi"] + arguments, environment: ["PATH=/usr/bin:/bin"])
    spawn.descriptors = [1: log.rawValue, 2: log.rawValue]
    return try spawn.start()
  }

  /// SIGTERM, and waits for the end.
  func end() throws -> ProcessExit? {
    try process.value.signal(SIGTERM)
    return try Waiting.untilEnded(process.value)
  }

  /// kill -9, and waits for the end. The socket that stays behind is taken away, so that the next one can be waited for.
  func kill() throws {
    try process.value.signal(SIGKILL)
    _ = try Waiting.untilEnded(process.value)
    unlink(folder.appending("csi/csi.sock"))
  }

  /// The plugin's mounter with its parent, or, where `serving`, without.
  private func mounterProcesses(serving: Bool = false) throws -> [PidFD] {
    try ProcessTable.pids().compactMap { pid in
      guard let line = try? WholeFile.text("/proc/\(pid)/cmdline"), line.contains("alluxio-mounter\0--socket"),
        line.contains(folder.path), !serving || line.contains("--parent-fd")
      else { return nil }
      return try? PidFD(pid: pid)
    }
  }

  /// kill -9 of the mounter that serves, and of its parent unless told otherwise; waits for their ends.
  /// - Parameter meanwhile: what is done while they are stopped.
  func killMounter(andParent: Bool = true, _ meanwhile: (() throws -> Void)? = nil) throws {
    let processes = try mounterProcesses(serving: !andParent)
    if let meanwhile {
      for process in processes { try process.signal(SIGSTOP) }
      try meanwhile()
    }
    for process in processes { try process.signal(SIGKILL) }
    for process in processes { _ = try? Waiting.untilEnded(process) }
  }

  /// kill -9 of plugin, mounter and all workers: what is left of a node whose containers were lost.
  func killAll() async throws {
    let workers = try await mounter.list(by: .after(.patient)).compactMap(\.pid)
    try kill()
    try killMounter()
    for pid in workers {
      guard let worker = try? PidFD(pid: pid) else { continue }
      try? worker.signal(SIGKILL)
      _ = try? Waiting.untilEnded(worker)
    }
  }

  /// The next plugin on the same folders; serves when this returns.
  func restart() async throws {
    process.value = try Self.start(folder, arguments)
    connection.value = try await Self.connect(folder)
  }

  func target(_ name: String) -> String { folder.appending("kubelet/\(name)") }

  /// Where the worker of a volume is mounted.
  func source(_ volumeID: String) -> String {
    folder.appending("state/volumes/\(WorkerKey(volumeID: volumeID).name)/mount")
  }

  /// The context of a volume that shows `data`.
  var context: [String: String] { ["path": "file://\(data)"] }

  /// The mounter that this plugin started.
  var mounter: MounterClient { MounterClient(socket: folder.appending("state/mounter/mounter.sock"), program: "test") }

  func mounts() throws -> [String] { try MountTable.read().beneath(folder.path).map(\.mountPoint) }

  /// Nothing of any publish is left: no mount, record, directory or worker.
  func isClean() async throws -> Bool {
    let workers = try await mounter.list(by: .after(.patient))
    return try mounts().isEmpty && workers.isEmpty && DirectoryNames.list(folder.appending("kubelet")).isEmpty
      && DirectoryNames.list(folder.appending("state/targets")).isEmpty
  }

  private func stop() async {
    try? process.value.signal(SIGKILL)
    _ = try? Waiting.untilEnded(process.value)
    do { try await mounter.shutdown(unmountingAll: true, by: .after(.patient)) } catch {
      print("the mounter was not shut down: \(error)")
    }
    folder.remove()
  }
}
