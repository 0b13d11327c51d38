internal import VolumeModel

/// What the keeper wants done. Each action that says so ends in the event it names; none blocks the keeper.
enum KeeperAction: Hashable, Sendable {
  case answer(CallID, CallResult)
  /// More follows.
  case answerInPart(CallID, WorkerStatus)
  /// Tell subscribers.
  case publish(WorkerStatus)
  /// The secrets that came with the call are the volume's from now on.
  case takeSecrets(CallID, WorkerKey)

  /// Ends in `mounted` or `mountFailed`.
  case mount(MountRequest)
  /// Ends in `workerStarted` or `workerNotStarted`.
  case startWorker(WorkerKey, generation: UInt32)
  /// Sends the worker that was just started what it serves from: it can do nothing before, and by now whoever keeps copies
  /// knows of it.
  case configureWorker(WorkerKey)
  /// A command with an id other than 0 ends in `workerReported` with `completed`, or in the worker's exit.
  case command(WorkerKey, id: UInt64, WorkerOrder)
  /// Ends in `workerReported` with `work`, while the worker works.
  case ping(WorkerKey)
  /// SIGKILL; ends in `workerExited`.
  case kill(WorkerKey)
  /// Ends in `unmountEnded`; says `busy` where the mount is in use and users are not abandoned.
  case unmount(WorkerKey, abandoningUsers: Bool)
  /// Takes the mount out of the name space and its connection from whoever still uses it; ends in `unmountEnded`.
  case detach(WorkerKey)
  /// Ends the connection: everyone who waits for the mount gets an error.
  case abort(WorkerKey)
  /// Closes descriptors, removes the mount point; ends in `finished`.
  case finish(WorkerKey)
  /// Removes what an earlier mounter left at the key's mount point; ends in `swept`.
  case sweep(WorkerKey)
  /// Every volume has moved to that build, or why none moves any more. It is of use as long as the keeper says so.
  case rollEnded(program: Int, failure: String?)
  /// Answer the call with the volume's descriptors.
  case handOver(CallID, WorkerKey)
  /// Let another mounter have the socket.
  case yieldSocket
  /// End the mounter.
  case exit
}

extension KeeperAction {
  /// A status that a call is answered with is of this revision.
  mutating func setRevision(_ revision: UInt64) {
    guard case .answer(let call, .status(var status)) = self else { return }
    status.revision = revision
    self = .answer(call, .status(status))
  }
}

/// A command to a worker, without the secrets, which the keeper never sees.
enum WorkerOrder: Hashable, Sendable {
  case stop(timeoutMilliseconds: UInt32)
  case drain(timeoutMilliseconds: UInt32)
  case updateOptions(WorkerOptions)
  case updateSecrets
}

/// How a call ends.
enum CallResult: Hashable, Sendable {
  case done
  case status(WorkerStatus)
  case failed(MounterError)
}
