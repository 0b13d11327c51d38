package import Mounter
internal import ObjectStore
package import VolumeModel

/// A NodePublishVolume request that was found valid: who is mounted where, and how.
package struct PublishPlan: Sendable {
  /// What is published, where, and by which worker.
  package var volumeID: String
  package var target: TargetPath
  package var key: WorkerKey
  package var underFileSystem: UnderFileSystemURI
  /// Of s3:// and oss:// volumes.
  package var objectStore: ObjectStoreRequest?
  /// What is loaded into the page store once the volume is mounted; nil: nothing.
  package var warmUp: String?
  /// Directories beneath which a `file://` UFS must lie: others for inline volumes.
  package var fileRoots: [String]
  /// `readOnly` is decided by all targets of the worker together, and `capacityBytes` by expansions as well.
  package var options: WorkerOptions
  package var accessMode: VolumeCapability.AccessMode
  /// Of the bind mount: asked for, or from the access mode.
  package var readOnly: Bool
  /// `noexec` among the mount flags.
  package var noExec: Bool
  package var fingerprint: String
  package var isInline: Bool
  package var secrets: VolumeSecrets?
  /// The secrets hold what the under file system is asked with.
  package var needsSecrets: Bool
  /// Whose volume it is; nil where the kubelet does not say.
  package var pod: PodReference?
  /// Nil for inline volumes, and where the volume context does not say.
  package var claim: ClaimReference?

  /// Checks everything that can be told from the request alone.
  package init(_ request: NodePublishVolumeRequest, configuration: NodeConfiguration) throws(CSIError) {
    volumeID = try NodeField.volumeID(request.volumeID)
    target = try NodeField.target(request.targetPath, "target_path", configuration.paths)
    guard let capability = request.capability else { throw .missingField("volume_capability") }
    try capability.checkOffered()
    guard case .mount(let mount) = capability.accessType else { throw .missingField("volume_capability.mount") }
    let group = mount.volumeMountGroup
    let flags: VolumeModel.MountFlags
    let context: VolumeContext
    let store: ObjectStoreOptions?
    do throws(VolumeContextError) {
      context = try VolumeContext(attributes: request.volumeContext)
      flags = try VolumeModel.MountFlags(mount.mountFlags)
      options = context.options
      try flags.apply(to: &options)
      store = try ObjectStoreOptions(
        context.values.merging(flags.values) { _, option in option }, of: context.underFileSystem)
    } catch {
      throw .volumeContext(error)
    }
    options.mountGroup = try Self.groupID(group)
    accessMode = capability.accessMode
    readOnly = request.readOnly || flags.readOnly || capability.accessMode.isReadOnly
    options.readOnly = readOnly
    noExec = flags.noExec
    underFileSystem = context.underFileSystem
    isInline = VolumeContext.isInline(request.volumeContext)
    // Anybody who may make a pod may write an inline volume: it has its own credentials or none.
    objectStore = store.map { [isInline, underFileSystem] in
      configuration.placing(
        ObjectStoreRequest($0, usesNodeCredentials: !isInline, pageStore: configuration.pageStore),
        of: underFileSystem, isInline: isInline)
    }
    warmUp = store?.warmUp
    let roots = isInline ? configuration.inlineFileRoots : configuration.fileRoots
    fileRoots = store == nil ? roots : []
    let identity = try store?.properties.webIdentity.map { (identity) throws(CSIError) in
      try PodIdentity(identity, context: request.volumeContext, secrets: request.secrets)
    }
    key = WorkerKey(
      volumeID: volumeID, mountGroup: group.isEmpty ? nil : group, credentialIdentity: identity?.name)
    fingerprint = Self.fingerprint(volumeID, capability, readOnly: readOnly, values: context.values)
    pod = PodReference(volumeContext: request.volumeContext)
    claim = isInline ? nil : ClaimReference(volumeContext: request.volumeContext, pod: pod)
    let given = try Self.secrets(request.secrets, identity, for: context.underFileSystem.scheme)
    secrets = given.values.isEmpty ? nil : VolumeSecrets(given.values)
    needsSecrets = given.areNeeded
  }

  /// What the worker gets, and whether it holds what the under file system is asked with. Of tokens it is the one that the
  /// volume uses, if it uses one.
  private static func secrets(
    _ secrets: [String: String], _ identity: PodIdentity?, for scheme: UnderFileSystemURI.Scheme
  ) throws(CSIError) -> (values: [String: String], areNeeded: Bool) {
    var values = secrets
    values[VolumeContextKey.serviceAccountTokens] = nil
    guard let identity else { return (values, try hasCredentials(values, for: scheme)) }
    values[VolumeContextKey.webIdentityToken.name] = identity.token.value
    return (values, true)
  }

  /// Whether the secrets hold an access key for the scheme. What cannot be one is refused before anything is mounted.
  private static func hasCredentials(
    _ secrets: [String: String], for scheme: UnderFileSystemURI.Scheme
  ) throws(CSIError) -> Bool {
    do throws(VolumeContextError) {
      return try ObjectStoreCredentials(secrets: secrets, for: scheme) != nil
    } catch {
      throw .malformedField("secrets", problem: "cannot be used: \(error): correct the secret that the volume names")
    }
  }

  /// CSI `volume_mount_group`: the kubelet gives the pod's fsGroup, a number.
  private static func groupID(_ text: String) throws(CSIError) -> UInt32? {
    if text.isEmpty { return nil }
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let id = UInt32(text),
      id != .max, String(id) == text
    else { throw .malformedField("volume_mount_group", problem: "is not the number of a group, such as 2000") }
    return id
  }

  /// Equal for requests of which the second is a repeat: the capability, read-only and our own keys. The kubelet's keys,
  /// secrets and tokens do not enter: they may differ every time. Every part has its length in front, so that no two
  /// requests read the same.
  private static func fingerprint(
    _ volumeID: String, _ capability: VolumeCapability, readOnly: Bool, values: [String: String]
  ) -> String {
    var parts = [volumeID, String(capability.accessMode.rawValue), String(readOnly)]
    if case .mount(let mount) = capability.accessType {
      parts += [mount.fileSystemType, mount.volumeMountGroup] + mount.mountFlags.sorted()
    }
    for (key, value) in values.sorted(by: { $0.key < $1.key }) { parts += ["key", key, value] }
    return Digest.sha256Hex(parts.map { "\($0.utf8.count):\($0)" }.joined(separator: ";"))
  }
}

/// Checks of fields that several node calls have.
package enum NodeField {
  package static func volumeID(_ text: String) throws(CSIError) -> String {
    if text.isEmpty { throw .missingField("volume_id") }
    do { return try VolumeID(existing: text).rawValue } catch {
      throw .malformedField("volume_id", problem: error.description)
    }
  }

  package static func target(_ text: String, _ field: String, _ paths: NodePaths) throws(CSIError) -> TargetPath {
    if text.isEmpty { throw .missingField(field) }
    do { return try TargetPath(text, beneath: paths.kubeletDirectory) } catch {
      throw .malformedField(field, problem: error.description)
    }
  }
}
