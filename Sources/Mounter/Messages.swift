internal import LinuxSystem
internal import Log
internal import VolumeModel

/// The version of `Protos/mounter.proto` that this build speaks, and the oldest it understands.
enum ProtocolVersion {
  static let current: UInt32 = 1
  static let oldest: UInt32 = 1
}

/// What a descriptor beside a packet is. Those of a role that is not known here are closed.
enum DescriptorRole: UInt32, Sendable, Hashable {
  case fuseDevice = 1
  case sharedState = 2
  case underFileSystemRoot = 3
  case secrets = 4
  case workerControl = 5
  case workerProcess = 6
  case workerOutput = 7
  case node = 8
  case pageFolder = 9
  case nodeEnvironment = 10
  case cacheAccount = 11
  case sharedPages = 12
}

/// A packet from a client to the mounter.
struct CallMessage: Sendable, Hashable {
  var id: UInt64
  /// What is left of the caller's deadline; 0: none.
  var timeoutMilliseconds: UInt32 = 0
  /// Of the descriptors beside the packet, in order; nil for unknown ones.
  var roles: [DescriptorRole?] = []
  /// Of the CSI call that it is for.
  var trace: TraceID?
  var call: Call

  enum Call: Sendable, Hashable {
    case hello(version: UInt32, program: String)
    case ensureMounted(MountRequest)
    case unmount(WorkerKey, abandoningUsers: Bool)
    case status(WorkerKey)
    case list
    case subscribe
    case refreshSecrets(WorkerKey)
    case updateOptions(WorkerKey, WorkerOptions)
    case shutdown(unmountingAll: Bool)
    case keepCustody
    case offerCustody(VolumeCustody)
    case offerNode(NodeCustody)
    case takeOver
    case handOver(WorkerKey)
    case endTakeOver
    /// A call of a newer version.
    case unknown
    /// A call that lacks what it must have.
    case malformed(reason: String)
  }
}

/// A packet from the mounter to a client.
struct ReplyMessage: Sendable, Hashable {
  /// Of the call; 0 for an event.
  var id: UInt64
  /// More replies to this call follow.
  var more = false
  var roles: [DescriptorRole?] = []
  var reply: Reply

  enum Reply: Sendable, Hashable {
    case hello(Greeting)
    case done
    case status(WorkerStatus)
    case failed(MounterError)
    case event(WorkerStatus)
    case custody(VolumeCustody)
    case node(NodeCustody)
    case withdraw(WorkerKey)
    /// A reply of a newer version.
    case unknown
  }

  /// What a mounter says of itself.
  struct Greeting: Sendable, Hashable {
    var version: UInt32
    var oldestVersion: UInt32
    var program: String
    /// In the mounter's PID namespace.
    var pid: Int32
  }
}

/// A packet from the mounter to a worker.
struct CommandMessage: Sendable, Hashable {
  /// 0 where no answer is expected.
  var id: UInt64
  var roles: [DescriptorRole?] = []
  var command: Command

  enum Command: Sendable, Hashable {
    case configuration(Configuration)
    case drain(timeoutMilliseconds: UInt32)
    case stop(timeoutMilliseconds: UInt32)
    case updateOptions(WorkerOptions)
    /// The revision is echoed by what the worker says of them.
    case updateSecrets(revision: UInt64)
    case ping
    /// The kernel's number of a backing file, or an errno.
    case backingOpened(call: UInt64, id: Int32, error: Int32)
    /// A command of a newer version.
    case unknown
  }

  /// ``WorkerConfiguration`` without its descriptors.
  struct Configuration: Sendable, Hashable {
    var request: MountRequest
    var fuseInit: [UInt8]
    var granted: UInt64
    var generation: UInt32
    var log: LogOptions
    /// 0: not said.
    var startTimeoutMilliseconds: UInt32 = 0
    /// Of the call that mounted the volume.
    var trace: TraceID?
  }
}

/// A packet from a worker to the mounter.
struct ReportMessage: Sendable, Hashable {
  /// Of the command that is completed.
  var id: UInt64 = 0
  var roles: [DescriptorRole?] = []
  /// Nil for a report of a newer version.
  var report: WorkerReport?
}

/// A packet between the serving mounter and its parent, in either direction.
struct ParentMessage: Sendable, Hashable {
  var roles: [DescriptorRole?] = []
  var body: Body

  enum Body: Sendable, Hashable {
    /// To the parent: keep this. From the parent: this was kept.
    case volume(VolumeCustody)
    case withdraw(WorkerKey)
    case node(NodeCustody)
    case serving
    case begin
    case reaped(pid: Int32, exit: WorkerExit)
    case unknown
  }
}
