internal import CSIDriver
internal import GRPC
internal import Kubernetes
internal import LinuxSystem
internal import Log
internal import Logging
internal import Mounter
internal import SystemPackage
internal import VolumeModel

/// The services of one process, built from its settings.
struct Plugin {
  private let settings: Settings
  /// Claimed before a mounter is started or a mount is looked at: a second plugin changes nothing.
  private let path: ListeningPath
  private let identity: IdentityService
  private let controller: ControllerService?
  private let node: NodeService?
  private let logger: Logger

  /// How long the start of a mounter may take.
  private static let mounterPatience: Duration = .seconds(20)

  init(_ settings: Settings, version: String, logger: Logger) async throws {
    self.settings = settings
    path = try ListeningPath(settings.endpoint)
    self.logger = logger
    try Self.makeFolders(settings)
    let registry = try Self.registry(settings)
    let node = settings.servesNode ? try await Self.node(settings, version, registry) : nil
    self.node = node
    controller =
      settings.servesController
      ? ControllerService(
        registry: registry, published: node,
        directories: ProvisioningDirectoriesByScheme(
          local: LocalProvisioningDirectories(fileRoots: settings.fileRoots),
          objects: ObjectProvisioningDirectories()))
      : nil
    let readiness = Readiness {
      do {
        try await registry.check()
        try await node?.checkReady(by: .after(.seconds(10)))
        return true
      } catch {
        logger.error("not ready", metadata: ["reason": "\(error)"])
        return false
      }
    }
    identity = IdentityService(
      name: settings.driverName, version: version, manifest: ["mode": settings.mode.rawValue],
      hasController: settings.servesController, isReady: readiness.isReady)
  }

  /// Serves all of it on the endpoint.
  func listen() throws -> Server {
    let services = [identity.methods, controller?.methods ?? [:], node?.methods ?? [:]]
    return try Server(
      path: path, handlers: services.reduce(into: [:]) { $0.merge($1) { first, _ in first } },
      interceptors: [RequestLog(logger: Logger(label: "csi"))], logger: logger)
  }

  /// Keeps the node service up to date on its mounts, until its task is cancelled.
  func followMounter() async { await node?.followMounter() }

  private static func makeFolders(_ settings: Settings) throws {
    var folders = [settings.paths.stateDirectory]
    if case .folder(let folder) = settings.registry { folders.append(folder) }
    for folder in folders {
      do throws(Errno) {
        try Folder.makeAll(folder)
      } catch {
        throw SettingsError(
          "cannot make the folder \(folder): \(error); choose another --state-dir or --registry, or give this user "
            + "write access"
        )
      }
    }
  }

  private static func registry(_ settings: Settings) throws -> any VolumeRegistry {
    switch settings.registry {
    case .folder(let path): return try DirectoryVolumeRegistry(path: path, logger: Logger(label: "registry"))
    case .kubernetes(let access): return KubernetesVolumeRegistry(try KubernetesClient(access))
    }
  }

  private static func node(
    _ settings: Settings, _ version: String, _ registry: any VolumeRegistry
  ) async throws -> NodeService {
    let client = MounterClient(
      socket: settings.mounterSocket ?? settings.paths.mounterSocket, program: "alluxio-csi \(version)",
      keepsCustody: true)
    // A copy of every volume's descriptors is kept here.
    _ = try? ResourceLimit.raiseOpenFiles(to: 65_536)
    var configuration = NodeConfiguration(
      nodeID: settings.nodeID, paths: settings.paths, fileRoots: settings.fileRoots,
      inlineFileRoots: settings.inlineFileRoots, maximumVolumes: settings.maximumVolumes)
    configuration.pageStore = settings.pageStore
    configuration.pageStoreBytes = settings.pageStoreBytes
    configuration.sharePages = settings.sharePages
    let logger = Logger(label: "node")
    let warming = WarmProcesses(
      stateDirectory: settings.paths.stateDirectory, logLevel: settings.logLevel, logFormat: settings.logFormat)
    guard settings.mounterSocket == nil else {
      return try await NodeService.start(
        configuration: configuration, mounter: client, registry: registry, warming: warming, logger: logger)
    }
    var launcher = MounterLauncher(
      socket: settings.paths.mounterSocket, stateDirectory: settings.paths.stateDirectory,
      log: LogOptions(level: settings.logLevel, format: settings.logFormat))
    // Its parent has the descriptors should mounter and plugin die at once.
    launcher.arguments = ["--as-init"]
    try await launcher.ensureRunning(by: .after(mounterPatience))
    return try await NodeService.start(
      configuration: configuration, mounter: OwnMounter(client: client, launcher: launcher), registry: registry,
      warming: warming, logger: logger)
  }
}
