/// Everything a mounter needs to serve one worker key. Travels from the node plugin to the mounter and is kept by both;
/// secrets are not part of it, they travel as a sealed memfd beside it.
package struct MountRequest: Sendable, Hashable {
  /// The worker that it is for.
  package var key: WorkerKey
  /// The UFS as the volume context names it, already validated: `file:///data`, `s3://bucket/prefix`.
  package var underFileSystem: UnderFileSystemURI
  /// Absolute path of the folder that the FUSE file system is mounted on (the source of all bind mounts).
  package var mountPoint: String
  /// For `file://`: canonical directories beneath which the UFS must lie after symlinks are resolved.
  package var fileRoots: [String]
  package var options: WorkerOptions
  /// Of s3:// and oss:// volumes; nil for `file://`.
  package var objectStore: ObjectStoreRequest?

  package init(
    key: WorkerKey, underFileSystem: UnderFileSystemURI, mountPoint: String, fileRoots: [String],
    options: WorkerOptions, objectStore: ObjectStoreRequest? = nil
  ) {
    self.key = key
    self.underFileSystem = underFileSystem
    self.mountPoint = mountPoint
    self.fileRoots = fileRoots
    self.options = options
    self.objectStore = objectStore
  }

  /// Whether the kernel is asked to read files of the mount itself: those of a directory, or copies that the page store has.
  package var wantsPassthrough: Bool { objectStore.map(\.cachePassthrough) ?? options.passthrough }
}

/// The volume attributes that reach the worker process, with the defaults of DESIGN section 6.
package struct WorkerOptions: Sendable, Hashable {
  /// Refuse every modification with EROFS. The bind mounts are read-only as well.
  package var readOnly = false
  /// How long the kernel may answer getattr itself, in milliseconds (`attrTimeout`).
  package var attributeTimeoutMilliseconds: UInt32 = 1_000
  /// How long the kernel may answer lookup itself, in milliseconds (`entryTimeout`).
  package var entryTimeoutMilliseconds: UInt32 = 1_000
  /// Owner shown for every file instead of the UFS's (`uid`, `gid`); nil keeps the UFS's.
  package var uid: UInt32?
  package var gid: UInt32?
  /// Permission bits masked off the mode shown for every file (`umask`); nil keeps the UFS's.
  package var umask: UInt32?
  /// Group that every file appears to belong to and may be written by (CSI `volume_mount_group`).
  package var mountGroup: UInt32?
  /// Kernel read-ahead of the mount in bytes (`readAhead`): two requests of the largest size, so that one is on its way while
  /// the other is answered.
  package var readAheadBytes: UInt64 = 2 << 20
  /// The kernel may read and write files of the UFS itself (`passthrough`).
  package var passthrough = true
  /// Memory limit of the worker's cgroup in bytes (`memoryLimit`); nil: none.
  package var memoryLimitBytes: UInt64?
  /// Capacity that `statfs` shows at most, in bytes; nil shows the UFS's own.
  package var capacityBytes: UInt64?

  package init() {}
}
