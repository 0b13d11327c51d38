import Glibc
import LinuxSystem
import Mounter
import SystemPackage
import TestSupport
import VolumeModel

/// A real `alluxio-mounter` with real workers in a folder of its own, ended with everything it made.
final class RunningMounter: Sendable {
  let folder: TemporaryDirectory
  let launcher: MounterLauncher
  let client: MounterClient
  let paths: NodePaths
  /// Directories beneath it may be served.
  let files: String

  init(worker: String? = nil, mounter: String? = nil, arguments: [String] = []) throws {
    folder = try TemporaryDirectory("mounter")
    files = try folder.makeDirectory("files")
    let state = try folder.makeDirectory("state")
    paths = NodePaths(stateDirectory: state, kubeletDirectory: "/var/lib/kubelet")
    var launcher = MounterLauncher(
      socket: "\(folder.path)/run/mounter.sock", stateDirectory: state,
      mounter: try mounter ?? builtProduct("alluxio-mounter"),
      worker: try worker ?? builtProduct("alluxio-fuse"), logFile: "\(folder.path)/mounter.log")
    launcher.arguments = arguments
    self.launcher = launcher
    client = MounterClient(socket: launcher.socket, program: "test")
  }

  /// Another on the same folders.
  init(after former: RunningMounter, socket: String) {
    folder = former.folder
    files = former.files
    paths = former.paths
    var launcher = former.launcher
    launcher.socket = socket
    self.launcher = launcher
    client = MounterClient(socket: socket, program: "test")
  }

  /// Long enough for any machine; a test that needs it has failed.
  static var patience: Deadline { .after(.patient) }

  /// Starts it, lets `body` use it, and ends it with all volumes.
  static func use(
    worker: String? = nil, arguments: [String] = [], _ body: (RunningMounter) async throws -> Void
  ) async throws {
    let mounter = try RunningMounter(worker: worker, arguments: arguments)
    try await mounter.launcher.ensureRunning(by: patience)
    let process = try mounter.process()
    do { try await body(mounter) } catch {
      print(mounter.log)
      try? await mounter.client.shutdown(unmountingAll: true, by: patience)
      throw error
    }
    try await mounter.client.shutdown(unmountingAll: true, by: patience)
    _ = try await OwnThread.run { try Waiting.untilEnded(process) }
  }

  /// The process that serves the socket.
  func process() throws -> PidFD {
    try PidFD(pid: SeqpacketSocket.connect(to: launcher.socket).peerCredentials().pid)
  }

  /// What the mounter and its workers wrote.
  var log: String { (try? WholeFile.text("\(folder.path)/mounter.log")) ?? "" }

  /// A request for a directory `name` beneath `files`, which is made with one file.
  func request(_ name: String, options: WorkerOptions = WorkerOptions()) throws -> MountRequest {
    try folder.makeDirectory("files/\(name)")
    try folder.write("content of \(name)\n", to: "files/\(name)/file")
    return request(for: name, path: "\(files)/\(name)", options: options)
  }

  func request(for name: String, path: String, options: WorkerOptions = WorkerOptions()) -> MountRequest {
    let key = WorkerKey(volumeID: name)
    return MountRequest(
      key: key, underFileSystem: UnderFileSystemURI(scheme: .file, authority: "", path: path),
      mountPoint: paths.mountPoint(key), fileRoots: [files], options: options)
  }

  func mount(_ request: MountRequest, secrets: VolumeSecrets? = nil) async throws -> WorkerStatus {
    try await client.ensureMounted(request, secrets: secrets, by: Self.patience)
  }

  func unmount(_ request: MountRequest, abandoningUsers: Bool = false) async throws {
    try await client.unmount(request.key, abandoningUsers: abandoningUsers, by: Self.patience)
  }

  /// Reads a file through a mount, on a thread that may block.
  func read(_ request: MountRequest, _ name: String = "file") async throws -> String {
    let path = "\(request.mountPoint)/\(name)"
    return try await OwnThread.run { try WholeFile.text(path) }
  }

  /// Whether something is mounted for the request.
  func isMounted(_ request: MountRequest) throws -> Bool {
    try MountTable.read().visible(at: request.mountPoint) != nil
  }
}
