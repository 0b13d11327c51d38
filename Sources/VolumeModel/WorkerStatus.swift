/// What a mounter knows of one worker and its mount.
package struct WorkerStatus: Sendable, Hashable {
  /// A worker's life, in its order.
  package enum State: Sendable, Hashable {
    case starting
    case ready
    /// The worker is gone and was not restarted: a sentence for the volume condition.
    case failed(reason: String)
    case stopping
  }

  /// What was asked for, and how far it is.
  package var request: MountRequest
  package var state: State
  /// Process id in the mounter's PID namespace; nil while no worker runs.
  package var pid: Int32?
  /// Minor device number of the mount: its name under `/sys/fs/fuse/connections`.
  package var connection: UInt32
  package var restarts: UInt32

  package init(request: MountRequest, state: State, pid: Int32?, connection: UInt32, restarts: UInt32 = 0) {
    self.request = request
    self.state = state
    self.pid = pid
    self.connection = connection
    self.restarts = restarts
  }
}
