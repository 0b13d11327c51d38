internal import VolumeModel

/// A CreateVolume request that was found valid, and what it comes to.
struct CreationPlan: Sendable {
  let id: String
  let context: VolumeContext
  let range: CapacityRange
  private let schemes: Set<UnderFileSystemURI.Scheme>
  /// The volume as it would be made.
  let record: VolumeRecord

  /// Checks everything that can be told from the request alone.
  /// - Parameter schemes: the under file systems that are served.
  init(_ request: CreateVolumeRequest, schemes: Set<UnderFileSystemURI.Scheme>) throws(CSIError) {
    self.schemes = schemes
    guard !request.name.isEmpty else { throw .missingField("name") }
    do throws(VolumeID.NameError) {
      id = try VolumeID(name: request.name).rawValue
    } catch {
      throw .malformedField("name", problem: error.description)
    }
    try CapabilityCheck.all(request.capabilities, in: "volume_capabilities")
    try Self.refuseWhatIsNotOffered(request)
    range = request.capacity ?? CapacityRange()
    try range.validate()
    do throws(VolumeContextError) {
      context = try VolumeContext(parsing: request.parameters, from: .parameters, schemes: schemes)
    } catch {
      throw .volumeContext(error)
    }
    let directory = try Self.directory(context, id: id)
    record = VolumeRecord(
      id: id, name: request.name, state: .creating, capacityBytes: range.required, parameters: context.values,
      context: Self.volumeContext(context, directory: directory, capacity: range.required), directory: directory)
  }

  private static func refuseWhatIsNotOffered(_ request: CreateVolumeRequest) throws(CSIError) {
    let field = "volume_content_source"
    switch request.contentSource {
    case .snapshot: throw .malformedField(field, problem: "names a snapshot, and this driver makes none: leave it out")
    case .volume: throw .malformedField(field, problem: "names a volume, and this driver does not clone: leave it out")
    case nil: break
    }
    guard request.mutableParameters.isEmpty else {
      throw .malformedField(
        "mutable_parameters",
        problem: "is not supported: volumes of this driver have no attributes that can be modified")
    }
  }

  /// The name of the volume's directory; nil for shared volumes.
  private static func directory(_ context: VolumeContext, id: String) throws(CSIError) -> String? {
    guard context.provisioning == .directory else { return nil }
    do throws(DirectoryPattern.ParseError) {
      return try context.directoryPattern.expand(volumeID: id) { context.orchestrator[$0] }
    } catch {
      throw .volumeContext(.directoryPattern(error))
    }
  }

  /// What the node plugin gets: the path of this volume, whose claim it is, and no key that only the controller reads.
  private static func volumeContext(_ context: VolumeContext, directory: String?, capacity: Int64) -> [String: String] {
    var values = context.values
    for key in VolumeContextKey.all where !key.places.contains(.attributes) { values[key.name] = nil }
    for key in VolumeContextKey.ofCreation { values[key] = context.orchestrator[key] }
    guard let directory else { return values }
    values[VolumeContextKey.path.name] = context.underFileSystem.appending(directory).description
    if capacity > 0 { values[VolumeContextKey.capacity.name] = String(capacity) }
    return values
  }

  /// Whether the volume that exists is the one that this request asks for.
  /// - Throws: `.incompatibleRepeat`, and `.inProgress` while it is being deleted.
  func check(against known: VolumeRecord) throws(CSIError) {
    func differs(in field: String) -> CSIError {
      .incompatibleRepeat(what: "volume", name: record.name, difference: field)
    }
    guard known.state != .deleting else { throw .inProgress(what: "volume", name: known.id) }
    guard PathComponents.same(known.name, record.name) else { throw differs(in: "name") }
    guard range.includes(known.capacityBytes) else { throw differs(in: "capacity") }
    guard let theirs = try? VolumeContext(parsing: known.parameters, from: .parameters, schemes: schemes),
      context.means(theirs)
    else {
      throw differs(in: "set of parameters")
    }
    guard PathComponents.same(known.directory ?? "", record.directory ?? "") else { throw differs(in: "directory") }
  }
}

extension VolumeContext {
  /// Whether both ask for the same, however it is spelled: `provisioning=shared` is the default, `1s` is `1`.
  fileprivate func means(_ other: VolumeContext) -> Bool {
    PathComponents.same(underFileSystem.description, other.underFileSystem.description)
      && provisioning == other.provisioning && directoryPattern == other.directoryPattern && onDelete == other.onDelete
      && options == other.options
      && (try? ObjectStoreProperties(values, of: underFileSystem))
        == (try? ObjectStoreProperties(other.values, of: other.underFileSystem))
  }
}

/// Capabilities of requests that carry several.
enum CapabilityCheck {
  /// - Throws: for an empty list, for one that no volume has, for mount flags that are refused.
  static func all(_ capabilities: [VolumeCapability], in field: String) throws(CSIError) {
    guard !capabilities.isEmpty else { throw .missingField(field) }
    for capability in capabilities { try one(capability, in: field) }
  }

  static func one(_ capability: VolumeCapability, in field: String) throws(CSIError) {
    try capability.checkOffered(in: field)
    guard case .mount(let mount) = capability.accessType else { return }
    do throws(VolumeContextError) { _ = try MountFlags(mount.mountFlags) } catch { throw .volumeContext(error) }
  }
}
