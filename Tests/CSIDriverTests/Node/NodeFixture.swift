import CSIDriver
import LinuxSystem
import Logging
import Mounter
import SystemPackage
import TestSupport
import VolumeModel

/// A node service over folders of its own.
struct NodeFixture {
  let folder: TemporaryDirectory
  let configuration: NodeConfiguration
  let mounter: any VolumeMounter
  let registry: (any VolumeRegistry)?
  let events: VolumeEvents?
  let service: NodeService

  static let capability = VolumeCapability(accessType: .mount(.init()), accessMode: .multiNodeMultiWriter)

  init(
    mounter: any VolumeMounter, maximumVolumes: Int = 0, registry: (any VolumeRegistry)? = nil,
    events: VolumeEvents? = nil, reports: NodeReports? = nil, beneath parent: String? = nil
  ) async throws {
    let folder = try TemporaryDirectory("node", beneath: parent)
    for name in ["kubelet", "state", "data", "inline"] { try folder.makeDirectory(name) }
    let paths = NodePaths(stateDirectory: folder.appending("state"), kubeletDirectory: folder.appending("kubelet"))
    var configuration = NodeConfiguration(
      nodeID: "node", paths: paths, fileRoots: [folder.appending("data")],
      inlineFileRoots: [folder.appending("inline")],
      maximumVolumes: maximumVolumes)
    configuration.statisticsPatience = .milliseconds(500)
    try await self.init(
      folder: folder, configuration: configuration, mounter: mounter, registry: registry, events: events,
      reports: reports)
  }

  private init(
    folder: TemporaryDirectory, configuration: NodeConfiguration, mounter: any VolumeMounter,
    registry: (any VolumeRegistry)?, events: VolumeEvents?, reports: NodeReports? = nil
  ) async throws {
    self.folder = folder
    self.configuration = configuration
    self.mounter = mounter
    self.registry = registry
    self.events = events
    var logger = Logger(label: "node")
    logger.logLevel = .critical
    service = try await NodeService.start(
      configuration: configuration, mounter: mounter, registry: registry, events: events, reports: reports,
      logger: logger)
  }

  /// The next plugin on the same folders, after the one before it ended in whatever state.
  func restarted(maximumVolumes: Int? = nil, events: VolumeEvents? = nil) async throws -> NodeFixture {
    var configuration = configuration
    if let maximumVolumes { configuration.maximumVolumes = maximumVolumes }
    return try await NodeFixture(
      folder: folder, configuration: configuration, mounter: mounter, registry: registry, events: events)
  }

  func target(_ name: String) -> String { "\(configuration.paths.kubeletDirectory)/\(name)" }

  func request(
    _ volumeID: String = "volume", at name: String, mode: VolumeCapability.AccessMode = .multiNodeMultiWriter,
    readOnly: Bool = false, group: String = "", flags: [String] = [], secrets: [String: String] = [:],
    context: [String: String] = [:]
  ) -> NodePublishVolumeRequest {
    NodePublishVolumeRequest(
      volumeID: volumeID, targetPath: target(name),
      capability: VolumeCapability(
        accessType: .mount(.init(mountFlags: flags, volumeMountGroup: group)), accessMode: mode),
      readOnly: readOnly, secrets: secrets,
      volumeContext: ["path": "file://\(folder.appending("data"))"].merging(context) { _, given in given })
  }

  func publish(_ request: NodePublishVolumeRequest, within patience: Duration = .patient) async throws(CSIError) {
    try await service.publish(request, by: .after(patience))
  }

  func unpublish(
    _ volumeID: String = "volume", at name: String, within patience: Duration = .patient
  ) async throws(CSIError) {
    try await service.unpublish(
      NodeUnpublishVolumeRequest(volumeID: volumeID, targetPath: target(name)), by: .after(patience))
  }

  func stats(_ volumeID: String = "volume", at name: String) async throws(CSIError) -> NodeVolumeStats {
    try await service.stats(
      NodeGetVolumeStatsRequest(volumeID: volumeID, volumePath: target(name)), by: .after(.seconds(20)))
  }

  /// The mounts at a target, hidden ones included.
  func mounts(at name: String) throws -> [MountEntry] { try MountTable.read().all(at: target(name)) }

  /// Mounts anywhere in the fixture's folders.
  func mounts() throws -> [String] { try MountTable.read().beneath(folder.path).map(\.mountPoint) }

  func records() throws -> [String] { try DirectoryNames.list(configuration.paths.targets) }

  func exists(_ name: String) -> Bool { (try? Descriptor.reach(target(name))) != nil }

  /// Whether the directory at an unmounted target can be changed by nobody; nil when its file system has no such flag.
  func isImmutable(_ name: String) throws -> Bool? {
    try InodeFlags.isImmutable(try Descriptor.open(target(name), 0))
  }

  /// Everything that a publish makes is gone.
  func isClean() throws -> Bool {
    try mounts().isEmpty && records().isEmpty && DirectoryNames.list(configuration.paths.kubeletDirectory).isEmpty
  }
}
