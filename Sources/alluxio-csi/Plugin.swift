internal import CSIDriver
internal import GRPC
internal import HTTPServer
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
  /// Of a controller that remembers volumes in objects of a cluster.
  private let statuses: VolumeStatuses?
  private let calls: CallMetrics
  private let metrics: PluginMetrics
  private let mounter: MounterView?
  private let startupTaint: StartupTaint?
  private let logger: Logger

  /// How long the start of a mounter may take.
  private static let mounterPatience: Duration = .seconds(20)

  init(_ settings: Settings, version: String, logger: Logger) async throws {
    self.settings = settings
    path = try ListeningPath(settings.endpoint)
    self.logger = logger
    try Self.makeFolders(settings)
    let registry = try Self.registry(settings)
    let client = settings.servesNode ? Self.mounterClient(settings, version) : nil
    // Not by way of the launcher: to look at a mounter starts none.
    let mounter = client.map { client in
      MounterView { deadline throws(MounterError) in try await client.list(by: deadline) }
    }
    self.mounter = mounter
    let node: NodeService?
    if let client, let mounter {
      node = try await Self.node(settings, client, mounter, registry)
    } else {
      node = nil
    }
    self.node = node
    controller =
      settings.servesController
      ? ControllerService(
        registry: registry, published: node,
        directories: ProvisioningDirectoriesByScheme(
          local: LocalProvisioningDirectories(fileRoots: settings.fileRoots),
          objects: ObjectProvisioningDirectories()))
      : nil
    statuses = try Self.statuses(settings)
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
    calls = CallMetrics(methods: Self.handlers(identity, controller, node).keys)
    startupTaint = try Self.startupTaint(settings, mounter)
    var watched: (NodeService, MounterView)?
    if let node, let mounter { watched = (node, mounter) }
    metrics = PluginMetrics(version: version, mode: settings.mode.rawValue, calls: calls, node: watched)
  }

  private static func handlers(
    _ identity: IdentityService, _ controller: ControllerService?, _ node: NodeService?
  ) -> [String: UnaryHandler] {
    [identity.methods, controller?.methods ?? [:], node?.methods ?? [:]]
      .reduce(into: [:]) { $0.merge($1) { first, _ in first } }
  }

  /// Serves all of it on the endpoint.
  func listen() throws -> Server {
    try Server(
      path: path, handlers: Self.handlers(identity, controller, node),
      interceptors: [calls, RequestLog(logger: Logger(label: "csi"))], logger: logger)
  }

  /// Serves metrics and health where the settings say so. After ``listen()``, whose socket the health is about.
  func serveMetrics() throws -> HTTPServer? {
    guard let address = settings.metricsAddress else { return nil }
    let health = PluginHealth(socket: ProbeClient(settings.endpoint), mounter: mounter)
    do {
      let listener = try TCPListener(address)
      // Of the kernel's choice where it was 0.
      let served = address.with(port: try listener.port())
      let server = try HTTPServer(listener) { [metrics] path in await MetricsPages.reply(to: path, metrics, health) }
      logger.info("serving metrics", metadata: ["address": "\(served)"])
      return server
    } catch {
      throw SettingsError(
        "metrics cannot be served at \(address): \(error); choose another --metrics-address, or leave it away")
    }
  }

  /// Keeps the node service up to date on its mounts and the cluster on its volumes, and takes the node's startup taint away,
  /// until the task is cancelled.
  func follow() async {
    async let taint: Void? = startupTaint?.remove()
    async let volumes: Void? = statuses?.run()
    await node?.followMounter()
    _ = await (taint, volumes)
  }

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

  private static func startupTaint(_ settings: Settings, _ mounter: MounterView?) throws -> StartupTaint? {
    guard let taint = settings.startupTaint, let mounter else { return nil }
    return StartupTaint(
      key: taint.key, driver: settings.driverName, nodeID: settings.nodeID, client: try KubernetesClient(taint.cluster),
      mounterAnswers: { await mounter.current().statuses != nil }, logger: Logger(label: "node"))
  }

  private static func statuses(_ settings: Settings) throws -> VolumeStatuses? {
    guard settings.servesController, case .kubernetes(let access) = settings.registry else { return nil }
    return VolumeStatuses(
      try KubernetesClient(access, policy: VolumeStatuses.patience), logger: Logger(label: "statuses"))
  }

  private static func mounterClient(_ settings: Settings, _ version: String) -> MounterClient {
    MounterClient(
      socket: settings.mounterSocket ?? settings.paths.mounterSocket, program: "alluxio-csi \(version)",
      keepsCustody: true)
  }

  private static func node(
    _ settings: Settings, _ client: MounterClient, _ view: MounterView, _ registry: any VolumeRegistry
  ) async throws -> NodeService {
    // A copy of every volume's descriptors is kept here.
    _ = try? ResourceLimit.raiseOpenFiles(to: 65_536)
    var configuration = NodeConfiguration(
      nodeID: settings.nodeID, paths: settings.paths, fileRoots: settings.fileRoots,
      inlineFileRoots: settings.inlineFileRoots, maximumVolumes: settings.maximumVolumes)
    configuration.pageStore = settings.pageStore
    configuration.pageStoreBytes = settings.pageStoreBytes
    configuration.sharePages = settings.sharePages
    let logger = Logger(label: "node")
    let events = try settings.events.map { access in
      VolumeEvents(
        try KubernetesClient(access, policy: VolumeEvents.patience), driver: settings.driverName,
        nodeID: settings.nodeID,
        logger: logger)
    }
    let reports = try settings.nodeReports.map { access in
      NodeReports(
        try KubernetesClient(access, policy: NodeReports.patience), nodeID: settings.nodeID, view: view, logger: logger)
    }
    let warming = WarmProcesses(
      stateDirectory: settings.paths.stateDirectory, logLevel: settings.logLevel, logFormat: settings.logFormat)
    guard settings.mounterSocket == nil else {
      return try await NodeService.start(
        configuration: configuration, mounter: client, registry: registry, warming: warming,
        events: events, reports: reports, logger: logger)
    }
    var launcher = MounterLauncher(
      socket: settings.paths.mounterSocket, stateDirectory: settings.paths.stateDirectory,
      log: LogOptions(level: settings.logLevel, format: settings.logFormat))
    // Its parent has the descriptors should mounter and plugin die at once.
    launcher.arguments = ["--as-init"]
    try await launcher.ensureRunning(by: .after(mounterPatience))
    return try await NodeService.start(
      configuration: configuration, mounter: OwnMounter(client: client, launcher: launcher), registry: registry,
      warming: warming, events: events, reports: reports, logger: logger)
  }
}
