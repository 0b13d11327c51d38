package import LinuxSystem
package import VolumeModel

/// The Controller service of CSI over Swift values: what each call does, without its wire form.
package struct ControllerService: Sendable {
  let registry: any VolumeRegistry
  /// The node service of this process, if there is one: it knows more, and sooner, than the registry.
  let published: (any PublishedVolumes)?
  let directories: any ProvisioningDirectories
  /// The under file systems that are served.
  let schemes: Set<UnderFileSystemURI.Scheme>
  private let calls = CallsInProgress(of: "volume")

  /// Entries of a page when the caller does not say: a page stays far below gRPC's 4 MiB.
  static let defaultPage = 500
  /// How long a call may look at volumes' directories: an under file system that hangs must not hold up the list.
  static let lookingPatience = Duration.seconds(5)

  package static let capabilities = ControllerCapability.allCases

  package init(
    registry: any VolumeRegistry, published: (any PublishedVolumes)?, directories: any ProvisioningDirectories,
    schemes: Set<UnderFileSystemURI.Scheme> = UnderFileSystemURI.Scheme.available
  ) {
    self.registry = registry
    self.published = published
    self.directories = directories
    self.schemes = schemes
  }

  /// Runs `body` as the only call for a volume.
  func alone<Value: Sendable>(
    _ volumeID: String, _ body: () async throws(CSIError) -> Value
  ) async throws(CSIError) -> Value {
    try await calls.holding(volumeID, body)
  }

  /// The record of a volume that is there, for calls that need one.
  func existing(_ volumeID: String) async throws(CSIError) -> VolumeRecord {
    guard !volumeID.isEmpty else { throw .missingField("volume_id") }
    let found = try await asking { () throws(RegistryError) in try await registry.volume(id: volumeID) }
    guard let record = found else {
      throw .notFound(
        what: "volume", name: volumeID, advice: "create it first; static volumes are not known to the controller")
    }
    guard record.state == .ready else { throw .inProgress(what: "volume", name: volumeID) }
    return record
  }

  /// Turns the registry's errors into the caller's.
  func asking<Value>(_ body: () async throws(RegistryError) -> Value) async throws(CSIError) -> Value {
    do throws(RegistryError) { return try await body() } catch { throw CSIError(error) }
  }

  /// ControllerGetVolume.
  package func volume(id: String, by deadline: Deadline) async throws(CSIError) -> VolumeStatus {
    try await status(of: try await existing(id), by: min(deadline, .after(Self.lookingPatience)))
  }

  /// - Parameter deadline: of the look at the volume's directory, which is left out once it has passed.
  func status(of record: VolumeRecord, by deadline: Deadline) async throws(CSIError) -> VolumeStatus {
    VolumeStatus(volume: Volume(record), condition: try await condition(of: record, by: deadline))
  }

  /// What is known of the volume's directory and mounts: abnormal if any of them is.
  private func condition(of record: VolumeRecord, by deadline: Deadline) async throws(CSIError) -> VolumeCondition {
    let volumeID = record.id
    var publications = try await asking { () throws(RegistryError) in try await registry.publications(of: volumeID) }
    if let own = published?.publication(of: volumeID) {
      publications.removeAll { PathComponents.same($0.nodeID, own.nodeID) }
      publications.append(own)
    }
    var broken = publications.filter(\.condition.abnormal).map { "\($0.nodeID): \($0.condition.message)" }.sorted()
    if let problem = try await directoryProblem(of: record, by: deadline) { broken.insert(problem, at: 0) }
    guard broken.isEmpty else { return VolumeCondition(abnormal: true, message: broken.joined(separator: "; ")) }
    let nodes = publications.map(\.nodeID).sorted().joined(separator: ", ")
    let use = publications.isEmpty ? "not published" : "published on \(nodes)"
    return VolumeCondition(abnormal: false, message: "the volume is usable; \(use)")
  }

  /// What CreateVolume was asked for; its path is the one that the volume's own directory lies beneath.
  func requestedContext(of record: VolumeRecord) throws(CSIError) -> VolumeContext {
    do throws(VolumeContextError) {
      return try VolumeContext(parsing: record.parameters, from: .parameters, schemes: schemes)
    } catch {
      throw .failed(step: "read the record of volume \(record.id)", cause: error.description)
    }
  }

  /// What is wrong with the directory that the volume was given; nil for shared volumes, which have none.
  private func directoryProblem(of record: VolumeRecord, by deadline: Deadline) async throws(CSIError) -> String? {
    guard let name = record.directory, !deadline.hasPassed else { return nil }
    do throws(CSIError) {
      let base = try requestedContext(of: record).underFileSystem
      try await directories.check(name, owner: record.id, in: base, by: deadline)
      return nil
    } catch {
      // Its caller is gone: nobody reads the answer.
      if case .cancelled = error { throw error }
      return error.message
    }
  }
}

extension Volume {
  init(_ record: VolumeRecord) {
    self.init(id: record.id, capacityBytes: record.capacityBytes, context: record.context)
  }
}
