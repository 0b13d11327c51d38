package import LinuxSystem
package import VolumeModel

/// What a worker is told at its start, with the descriptors it serves from. All descriptors are owned by this value.
package struct WorkerConfiguration: ~Copyable, Sendable {
  package let request: MountRequest
  /// The FUSE_INIT request as the kernel sent it with the granted flags in place of the offered ones: replayed into libfuse.
  package let fuseInit: [UInt8]
  /// 1 for the first worker of a mount. Later ones ask the kernel for what their predecessor left unanswered (RESEND).
  package let generation: UInt32
  package let log: LogOptions
  /// `/dev/fuse`, connected to the mount. Blocking.
  package let fuseDevice: Descriptor
  /// The memfd laid out by `VolumeModel.SharedStateLayout`.
  package let sharedState: Descriptor
  /// The root of a `file://` UFS.
  package let underFileSystemRoot: Descriptor?
  /// Nil where the volume has none.
  package let secrets: VolumeSecrets?

  package init(
    request: MountRequest, fuseInit: [UInt8], generation: UInt32, log: LogOptions, fuseDevice: consuming Descriptor,
    sharedState: consuming Descriptor, underFileSystemRoot: consuming Descriptor?, secrets: VolumeSecrets?
  ) {
    self.request = request
    self.fuseInit = fuseInit
    self.generation = generation
    self.log = log
    self.fuseDevice = fuseDevice
    self.sharedState = sharedState
    self.underFileSystemRoot = underFileSystemRoot
    self.secrets = secrets
  }
}

/// How a process writes its log to standard error.
package struct LogOptions: Sendable, Hashable {
  package enum Format: String, Sendable, CaseIterable { case text, json }
  /// A level of swift-log: `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`.
  package var level: String
  package var format: Format

  package init(level: String = "info", format: Format = .text) {
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
  case updateSecrets(VolumeSecrets)
}

/// A command as it arrived. Answer those with an id other than 0 by ``WorkerChannel/complete(_:)`` when they are done.
package struct NumberedCommand: Sendable, Hashable {
  package var id: UInt64
  package var command: WorkerCommand
}
