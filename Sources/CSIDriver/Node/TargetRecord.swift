package import VolumeModel

/// What the node keeps on disk of one published target: enough to recognise a repeat, to take the target down, and to
/// mount and bind again. It holds no secret, no token and no mount flag: those enter only the fingerprint.
package struct TargetRecord: Codable, Sendable, Hashable {
  /// How far the publish got.
  package enum Phase: String, Codable, Sendable {
    /// The call has begun and nobody was told that it succeeded: at the next start everything of it is taken down.
    case publishing
    /// The kubelet was told, or was about to be told, that the target is in use.
    case published
  }

  /// Version of this layout. A plugin reads its own and older ones.
  package static let currentVersion = 1

  /// Of the file's layout; a newer one is refused.
  package var version = TargetRecord.currentVersion
  package var phase: Phase
  /// The target path as requests name it.
  package var target: String
  package var volumeID: String
  package var mountGroup: String?
  package var credentialIdentity: String?
  /// Digest of capability, read-only and our own keys: equal for repeats that must succeed.
  package var fingerprint: String
  /// CSI number of the access mode.
  package var accessMode: UInt32
  /// The bind mount is read-only.
  package var readOnly: Bool
  package var noExec: Bool
  /// The plugin made the target directory, and a failed publish removes it.
  package var madeFolder = false
  package var underFileSystem: String
  package var options: RecordedOptions
  /// Of s3:// and oss:// volumes.
  package var objectStore: RecordedObjectStore?
  /// An inline volume, which other roots hold for. Absent in records of older plugins.
  package var isInline: Bool?
  /// It was published with secrets that its under file system needs, so that it cannot be mounted again from here.
  package var needsSecrets: Bool?
  /// Connection of the mount that was last bound at the target, where that bind has a peer group of its own
  /// (`Mount.bind`). Other binds, as those of older plugins, share one with the volume's other targets.
  package var ownGroupConnection: UInt32?
  /// For whom, where the kubelet said so. Absent in records of older plugins.
  package var pod: PodReference?
  /// Of which claim the volume is, where the volume context says so. Absent in records of older plugins.
  package var claim: ClaimReference?

  package init(_ plan: PublishPlan, madeFolder: Bool) {
    phase = .publishing
    target = plan.target.path
    volumeID = plan.volumeID
    mountGroup = plan.key.mountGroup
    credentialIdentity = plan.key.credentialIdentity
    fingerprint = plan.fingerprint
    accessMode = plan.accessMode.rawValue
    readOnly = plan.readOnly
    noExec = plan.noExec
    self.madeFolder = madeFolder
    underFileSystem = plan.underFileSystem.description
    options = RecordedOptions(plan.options)
    isInline = plan.isInline
    objectStore = plan.objectStore.map(RecordedObjectStore.init)
    needsSecrets = plan.needsSecrets
    pod = plan.pod
    claim = plan.claim
  }

  /// Published for one pod only.
  package var isSinglePod: Bool { accessMode == VolumeCapability.AccessMode.singleNodeSingleWriter.rawValue }

  /// The worker that serves this target.
  package var workerKey: WorkerKey {
    WorkerKey(volumeID: volumeID, mountGroup: mountGroup, credentialIdentity: credentialIdentity)
  }
}

/// `WorkerOptions` as records keep them.
package struct RecordedOptions: Codable, Sendable, Hashable {
  /// As in `WorkerOptions`.
  package var readOnly: Bool
  package var attributeTimeoutMilliseconds: UInt32
  package var entryTimeoutMilliseconds: UInt32
  package var uid: UInt32?
  package var gid: UInt32?
  package var umask: UInt32?
  package var mountGroup: UInt32?
  package var readAheadBytes: UInt64
  /// Nil in records of versions that had no passthrough, and so mounted without it.
  package var passthrough: Bool?
  package var memoryLimitBytes: UInt64?
  package var capacityBytes: UInt64?

  package init(_ options: WorkerOptions) {
    readOnly = options.readOnly
    attributeTimeoutMilliseconds = options.attributeTimeoutMilliseconds
    entryTimeoutMilliseconds = options.entryTimeoutMilliseconds
    uid = options.uid
    gid = options.gid
    umask = options.umask
    mountGroup = options.mountGroup
    readAheadBytes = options.readAheadBytes
    passthrough = options.passthrough
    memoryLimitBytes = options.memoryLimitBytes
    capacityBytes = options.capacityBytes
  }

  /// The options for the mounter.
  package var workerOptions: WorkerOptions {
    var options = WorkerOptions()
    options.readOnly = readOnly
    options.attributeTimeoutMilliseconds = attributeTimeoutMilliseconds
    options.entryTimeoutMilliseconds = entryTimeoutMilliseconds
    options.uid = uid
    options.gid = gid
    options.umask = umask
    options.mountGroup = mountGroup
    options.readAheadBytes = readAheadBytes
    options.passthrough = passthrough ?? true
    options.memoryLimitBytes = memoryLimitBytes
    options.capacityBytes = capacityBytes
    return options
  }
}
