internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// A call of a client: the connection it came by and the number the client gave it.
struct CallID: Hashable, Sendable {
  var connection: UInt64
  var number: UInt64
}

/// What a client may ask for one volume.
enum VolumeCall: Hashable, Sendable {
  /// `secrets`: some came with the call.
  case ensureMounted(MountRequest, secrets: Bool)
  case unmount(WorkerKey, abandoningUsers: Bool)
  case refreshSecrets(WorkerKey)
  case updateOptions(WorkerKey, WorkerOptions)
  /// Of the mounter that takes over.
  case handOver(WorkerKey)

  var key: WorkerKey {
    switch self {
    case .ensureMounted(let request, _): request.key
    case .unmount(let key, _), .refreshSecrets(let key), .updateOptions(let key, _), .handOver(let key): key
    }
  }
}

/// What the keeper is told. Nothing else changes its state.
enum KeeperEvent: Hashable, Sendable {
  case called(CallID, VolumeCall, by: Deadline)
  /// End: with every volume unmounted first, or as things are.
  case shutdown(CallID, unmountingAll: Bool, by: Deadline)
  /// That client is the mounter that is to follow this one.
  case takeOver(CallID)
  /// It has every volume.
  case endTakeOver(CallID)
  /// The client is gone: nobody waits for its answers. What it began goes on.
  case connectionClosed(UInt64)

  /// The mount is there, INIT is answered; `connection` is the minor device number.
  case mounted(WorkerKey, connection: UInt32)
  /// Whatever the mount step had begun is undone.
  case mountFailed(WorkerKey, MounterError)
  case workerStarted(WorkerKey, pid: Int32)
  case workerNotStarted(WorkerKey, MounterError)
  case workerReported(WorkerKey, id: UInt64, WorkerReport)
  /// The process is gone for certain. `output`: its last lines on standard error. `asked`: it had taken a request that wants
  /// an answer, as far as anybody knows.
  case workerExited(WorkerKey, WorkerExit, output: [String], asked: Bool = true)
  case unmountEnded(WorkerKey, UnmountOutcome)
  /// Descriptors are closed, the mount point is removed, or could not be.
  case finished(WorkerKey, MounterError?)
  /// What an earlier mounter left at the key's mount point is removed, or could not be.
  case swept(WorkerKey, MounterError?)

  /// There is another build of the worker, by that number: volumes are to move to it.
  case programFound(Int)
  /// A moment that ``Keeper/nextDeadline`` had named has come.
  case timePassed
}

/// What a worker says of itself.
enum WorkerReport: Hashable, Sendable {
  case ready
  case failed(reason: String)
  /// The same, and it is the object store that does not serve the volume.
  case refused(UnderFileSystemRefusal, reason: String)
  case progress(String)
  case completed
  /// It has answered its first request.
  case answered
  /// The answer to a ping.
  case work(WorkerProgress)
  /// Keep the descriptor beside the packet for this node, and do so no more. Not the keeper's business.
  case holdNode(UInt64)
  case releaseNode(UInt64)
  /// Register the file beside the packet with the kernel, and do away with that. Not the keeper's business either.
  case openBacking(UInt64, call: UInt64)
  case closeBacking(UInt64, Int32)
  /// Nor this.
  case counters(VolumeCounters)
  case activity(WorkerActivity)
  /// It uses the secrets of that revision, or why it goes on with those before.
  case credentials(revision: UInt64, problem: String?)
}

/// How an unmount went.
enum UnmountOutcome: Hashable, Sendable {
  case unmounted
  /// Somebody uses the mount; nothing was changed.
  case busy([MountHolder])
  case failed(Errno, step: String)
}
