package import LinuxSystem
package import Log
package import Logging
package import VolumeModel

/// What a worker is told at its start, with the descriptors it serves from. All descriptors are owned by this value.
package struct WorkerConfiguration: ~Copyable, Sendable {
  /// What to serve.
  package let request: MountRequest
  /// The FUSE_INIT request with `flags` and `flags2` reduced to those granted: replayed into libfuse.
  package let fuseInit: [UInt8]
  /// What the mounter granted of it.
  package let granted: FuseInitFlags
  /// 1 for the first worker of a mount. Later ones ask the kernel for what their predecessor left unanswered (RESEND).
  package let generation: UInt32
  package let log: LogOptions
  /// `/dev/fuse`, connected to the mount. Blocking.
  package let fuseDevice: Descriptor
  /// The memfd laid out by `VolumeModel.SharedStateLayout`.
  package let sharedState: Descriptor
  /// The root of a `file://` UFS.
  package let underFileSystemRoot: Descriptor?
  /// Of a volume on an object store: pages and spools. Its owner is who the worker is to be.
  package let pageFolder: Descriptor?
  /// The same: where pages lie together with those of other volumes. Its group is one that the worker joins.
  package let sharedPages: Descriptor?
  /// The same: the memfd of PageStore's `CacheAccount`.
  package let cacheAccount: Descriptor?
  /// Nil where the volume has none.
  package let secrets: VolumeSecrets?
  /// What a worker for an object store knows of the node, by variable.
  package let environment: [String: String]
  /// How long whoever waits for the volume still waits; nil: nobody has said so.
  package let startTimeout: Duration?
  /// Of the call that mounted the volume, for the worker's log.
  package let trace: TraceID?

  package init(
    request: MountRequest, fuseInit: [UInt8], granted: FuseInitFlags, generation: UInt32, log: LogOptions,
    fuseDevice: consuming Descriptor, sharedState: consuming Descriptor, underFileSystemRoot: consuming Descriptor?,
    pageFolder: consuming Descriptor? = nil, sharedPages: consuming Descriptor? = nil,
    cacheAccount: consuming Descriptor? = nil, secrets: VolumeSecrets?,
    environment: [String: String] = [:], startTimeout: Duration? = nil, trace: TraceID? = nil
  ) {
    self.request = request
    self.fuseInit = fuseInit
    self.granted = granted
    self.generation = generation
    self.log = log
    self.fuseDevice = fuseDevice
    self.sharedState = sharedState
    self.underFileSystemRoot = underFileSystemRoot
    self.pageFolder = pageFolder
    self.sharedPages = sharedPages
    self.cacheAccount = cacheAccount
    self.secrets = secrets
    self.environment = environment
    self.startTimeout = startTimeout
    self.trace = trace
  }
}

/// How a process writes its log to standard error.
package struct LogOptions: Sendable, Hashable {
  /// The plugin's own settings.
  package var level: Logger.Level
  package var format: LogFormat

  package init(level: Logger.Level = .info, format: LogFormat = .text) {
    self.level = level
    self.format = format
  }
}

/// What a mounter asks of its worker after the configuration.
package enum WorkerCommand: Sendable, Hashable {
  /// Finish what is in flight, read nothing more, exit; the mount stays for another worker.
  case drain(timeoutMilliseconds: UInt32)
  /// Finish what is in flight and exit: the mount is going.
  case stop(timeoutMilliseconds: UInt32)
  case updateOptions(WorkerOptions)
  /// Answered by ``WorkerChannel/credentials(revision:problem:)`` where the volume uses them.
  case updateSecrets(VolumeSecrets, revision: UInt64)
  /// Answered by ``WorkerChannel/work(answered:working:oldestMilliseconds:)``.
  case ping
  /// The answer to ``WorkerChannel/openBacking(_:descriptor:call:)``: the kernel's number, or 0 and an errno.
  case backingOpened(call: UInt64, id: Int32, error: Int32)
}

/// A command as it arrived. Answer those with an id other than 0 by ``WorkerChannel/complete(_:)`` when they are done.
package struct NumberedCommand: Sendable, Hashable {
  /// Counts up; the answer carries the same.
  package var id: UInt64
  package var command: WorkerCommand
}
