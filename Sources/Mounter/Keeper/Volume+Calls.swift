internal import LinuxSystem
internal import VolumeModel

extension Volume {
  /// Calls can be begun: nothing is under way that decides what they mean.
  var takesCalls: Bool {
    switch phase {
    case .ready, .waiting, .failed, .handedOver: true
    case .mounting, .starting, .draining, .stopping, .gone: false
    }
  }

  /// Begins the call, joins what goes on, or waits. An unmount waits for the start of a new mount, which is short and leaves
  /// nothing when it fails, and not for that of a further worker, which may go on for ever.
  mutating func take(_ queued: QueuedCall, _ turn: inout Keeper.Turn) {
    switch (queued.volumeCall, phase) {
    case (.handOver, _): handOver(queued, &turn)
    case (_, .handedOver): turn.actions.append(.answer(queued.call, .failed(.shuttingDown)))
    case (.ensureMounted(let request, let secrets), .mounting(cancelled: nil)),
      (.ensureMounted(let request, let secrets), .starting(givenUp: nil)):
      guard agrees(with: request, queued.call, &turn) else { return }
      if secrets { takeSecrets(queued.call, &turn) }
      starters.append(Waiter(queued.call, by: queued.deadline, now: turn.now))
    case (.ensureMounted(let request, let secrets), .ready):
      guard agrees(with: request, queued.call, &turn) else { return }
      if secrets { return refresh(queued, answersStatus: true, &turn) }
      turn.actions.append(.answer(queued.call, .status(status)))
    case (.ensureMounted(let request, let secrets), .failed), (.ensureMounted(let request, let secrets), .waiting):
      guard agrees(with: request, queued.call, &turn) else { return }
      if secrets { takeSecrets(queued.call, &turn) }
      starters.append(Waiter(queued.call, by: queued.deadline, now: turn.now))
      startWorker(&turn)
    case (.unmount(_, let abandoning), .ready), (.unmount(_, let abandoning), .waiting),
      (.unmount(_, let abandoning), .failed),
      (.unmount(_, let abandoning), .starting) where isRestarted:
      stoppers.append(Waiter(queued.call, by: queued.deadline, now: turn.now))
      stop(abandoningUsers: abandoning, &turn)
    case (.unmount(_, let abandoning), .stopping(var stopping)):
      stoppers.append(Waiter(queued.call, by: queued.deadline, now: turn.now))
      stopping.abandoningUsers = stopping.abandoningUsers || abandoning
      phase = .stopping(stopping)
    case (.refreshSecrets, .ready): refresh(queued, answersStatus: false, &turn)
    case (.refreshSecrets, .failed), (.refreshSecrets, .waiting):
      takeSecrets(queued.call, &turn)
      turn.actions.append(.answer(queued.call, .done))
    case (.updateOptions(_, let options), .ready):
      let id = order(.updateOptions(options), for: queued, answersStatus: true, &turn)
      commands[id]?.options = options
    case (.updateOptions(_, let options), .failed), (.updateOptions(_, let options), .waiting):
      request.options = options
      turn.actions.append(.answer(queued.call, .status(status)))
    default: queue.append(queued)
    }
  }

  /// Answers a request that differs from what is mounted. The allowed roots may differ: the directory is open already.
  private func agrees(with other: MountRequest, _ call: CallID, _ turn: inout Keeper.Turn) -> Bool {
    let difference: String? =
      if other.underFileSystem != request.underFileSystem {
        "under file system (\(request.underFileSystem))"
      } else if other.mountPoint != request.mountPoint {
        "mount point (\(request.mountPoint))"
      } else if let difference = request.objectStoreDifference(from: other) {
        difference
      } else if other.options != request.options {
        "set of options (\(request.options.differences(from: other.options).joined(separator: ", ")))"
      } else {
        nil
      }
    guard let difference else { return true }
    turn.actions.append(.answer(call, .failed(.incompatible(key: request.key, difference: difference))))
    return false
  }

  private mutating func takeSecrets(_ call: CallID, _ turn: inout Keeper.Turn) {
    turn.actions.append(.takeSecrets(call, request.key))
    credentialProblem = nil
    if case .starting = phase { secretsAreNewer = true }
  }

  private mutating func refresh(_ queued: QueuedCall, answersStatus: Bool, _ turn: inout Keeper.Turn) {
    turn.actions.append(.takeSecrets(queued.call, request.key))
    _ = order(.updateSecrets, for: queued, answersStatus: answersStatus, &turn)
  }

  /// Sends the worker a command and answers the call when it is done.
  private mutating func order(
    _ order: WorkerOrder, for queued: QueuedCall, answersStatus: Bool, _ turn: inout Keeper.Turn
  ) -> UInt64 {
    let id = turn.nextCommand()
    commands[id] = PendingCommand(call: queued.call, deadline: queued.deadline, answersStatus: answersStatus)
    turn.actions.append(.command(request.key, id: id, order))
    return id
  }

  /// The worker has done what the command asked.
  mutating func complete(_ id: UInt64, _ turn: inout Keeper.Turn) {
    guard let command = commands.removeValue(forKey: id) else { return }
    if let options = command.options { request.options = options }
    turn.actions.append(.answer(command.call, command.answersStatus ? .status(status) : .done))
  }

  /// Ends everything that waits for the volume to serve or to be gone.
  mutating func answer(
    starters startResult: CallResult? = nil, stoppers stopResult: CallResult? = nil, _ turn: inout Keeper.Turn
  ) {
    if let startResult {
      turn.actions += starters.map { .answer($0.call, startResult) }
      starters = []
    }
    if let stopResult {
      turn.actions += stoppers.map { .answer($0.call, stopResult) }
      stoppers = []
    }
  }

  /// Ends every command that the worker has not completed.
  mutating func failCommands(_ error: MounterError, _ turn: inout Keeper.Turn) {
    turn.actions += commands.values.map { .answer($0.call, .failed(error)) }
    commands = [:]
  }

  /// Nobody waits at that connection any more.
  mutating func forgetWaiters(of connection: UInt64) {
    starters.removeAll { $0.call.connection == connection }
    stoppers.removeAll { $0.call.connection == connection }
    queue.removeAll { $0.call.connection == connection }
    commands = commands.filter { $0.value.call.connection != connection }
  }
}

extension MountRequest {
  /// What of the object store differs. The page store may: the worker's folder in it is open already.
  fileprivate func objectStoreDifference(from other: MountRequest) -> String? {
    guard let own = objectStore, let others = other.objectStore else {
      return objectStore == nil && other.objectStore == nil ? nil : "kind of under file system"
    }
    var names: [String] = []
    if own.usesNodeCredentials != others.usesNodeCredentials { names.append("use of the node's credentials") }
    if own.pageStoreBytes != others.pageStoreBytes { names.append("pageStoreSize") }
    if own.pageSize != others.pageSize { names.append("pageSize") }
    if own.cachePassthrough != others.cachePassthrough { names.append("cachePassthrough") }
    if own.sharedPages != others.sharedPages { names.append("--share-pages") }
    if own.properties != others.properties { names.append("endpoint or region") }
    return names.isEmpty ? nil : "object store (\(names.joined(separator: ", ")))"
  }
}

extension WorkerOptions {
  /// The attributes that differ, by the names that users give them.
  fileprivate func differences(from other: WorkerOptions) -> [String] {
    var names: [String] = []
    if readOnly != other.readOnly { names.append("readOnly") }
    if attributeTimeoutMilliseconds != other.attributeTimeoutMilliseconds { names.append("attrTimeout") }
    if entryTimeoutMilliseconds != other.entryTimeoutMilliseconds { names.append("entryTimeout") }
    if uid != other.uid { names.append("uid") }
    if gid != other.gid { names.append("gid") }
    if umask != other.umask { names.append("umask") }
    if mountGroup != other.mountGroup { names.append("volume_mount_group") }
    if readAheadBytes != other.readAheadBytes { names.append("readAhead") }
    if passthrough != other.passthrough { names.append("passthrough") }
    if memoryLimitBytes != other.memoryLimitBytes { names.append("memoryLimit") }
    if capacityBytes != other.capacityBytes { names.append("capacity") }
    return names
  }
}
