internal import LinuxSystem
internal import Logging
internal import Synchronization
internal import SystemPackage
internal import VolumeModel

/// Doing what the keeper wants.
extension MounterServer {
  func perform(_ action: KeeperAction) {
    switch action {
    case .answer(let call, let result): answer(call, result)
    case .answerInPart(let call, let status):
      clients[call.connection]?.send(ReplyMessage(id: call.number, more: true, reply: .status(status)))
    case .publish(let status): publish(status)
    case .takeSecrets(let call, let key):
      takeSecrets(call, key)
    case .mount(let request): mount(request)
    case .startWorker(let key, let generation): startWorker(key, generation: generation)
    case .configureWorker(let key): configureWorker(key)
    case .command(let key, let id, let order): command(key, id: id, order)
    case .ping(let key): ping(key)
    case .kill(let key): kill(key)
    case .unmount(let key, let abandoning): unmount(key, abandoningUsers: abandoning)
    case .detach(let key): detach(key)
    case .abort(let key):
      if let mount = holdings[key]?.mount { UnmountStep.abort(mount.connection, device: mount.fuseDevice) }
    case .finish(let key): finish(key)
    case .sweep(let key): sweep(key)
    case .rollEnded(let program, let failure): rollEnded(program, failure)
    case .handOver(let call, let key): handOver(call, key)
    case .yieldSocket: yieldSocket()
    case .exit: loop.stop()
    }
  }

  func answer(_ call: CallID, _ result: CallResult) {
    incomingSecrets[call] = nil
    guard let client = clients[call.connection] else { return }
    let reply: ReplyMessage.Reply =
      switch result {
      case .done: .done
      case .status(let status): .status(withCustody(status))
      case .failed(let error): .failed(error)
      }
    client.send(ReplyMessage(id: call.number, reply: reply))
    settle(client)
  }

  private func publish(_ status: WorkerStatus) {
    log.log(level: status.serves ? .info : .warning, "\(status.sentence)", metadata: metadata(status.request.key))
    for client in clients.values where client.isSubscribed {
      client.send(ReplyMessage(id: 0, reply: .event(status)))
      settle(client)
    }
    deposit(status.request.key)
    takeOver?.noticed(status)
  }

  /// Runs `body` on a thread of its own; what it returns goes to the keeper.
  private func offload(_ key: WorkerKey, _ body: @escaping @Sendable () -> Mailbox.Letter) {
    let mailbox = mailbox
    do throws(BlockingThreads.TooManyAbandoned) {
      try blocking.start { mailbox.post(body()) }
    } catch {
      // Cannot happen while nothing is abandoned; the keeper's deadlines answer if it does.
      log.critical("no thread can be started", metadata: metadata(key))
    }
  }

  private func mount(_ request: MountRequest) {
    let step = MountStep(
      request: request, stateDirectory: configuration.stateDirectory, workerUsers: configuration.workerUsers,
      withheld: configuration.doesWithoutResend ? .hasResend : [])
    offload(request.key) {
      do throws(MounterError) {
        return .mounted(request, try step.run())
      } catch {
        return .event(.mountFailed(request.key, error))
      }
    }
  }

  private func unmount(_ key: WorkerKey, abandoningUsers: Bool) {
    guard let mount = holdings[key]?.mount else { return feed(.unmountEnded(key, .unmounted)) }
    let (path, connection) = (MountPoint(path: mount.mountPoint), mount.connection)
    offload(key) {
      .event(
        .unmountEnded(
          key, UnmountStep.unmount(path, connection: connection, abandoningUsers: abandoningUsers)))
    }
  }

  private func detach(_ key: WorkerKey) {
    guard let mount = holdings[key]?.mount else { return feed(.unmountEnded(key, .unmounted)) }
    let path = MountPoint(path: mount.mountPoint)
    offload(key) {
      .event(.unmountEnded(key, UnmountStep.detach(path, connection: mount.connection, device: mount.fuseDevice)))
    }
  }

  private func sweep(_ key: WorkerKey) {
    let path = MountPoint(of: key, in: configuration.stateDirectory)
    offload(key) { .event(.swept(key, UnmountStep.sweep(path))) }
  }

  /// Descriptors are closed on the thread: the last close of a mount or a memfd can take a while.
  private func finish(_ key: WorkerKey) {
    parent?.withdraw(key)
    let path = MountPoint(of: key, in: configuration.stateDirectory)
    traces[key] = nil
    guard let holding = holdings.removeValue(forKey: key) else { return feed(.finished(key, nil)) }
    for client in clients.values { client.renewCustody(of: key) }
    forget(holding.worker)
    if holdings.isEmpty { standby.end() }
    let last = LastHolder(holding)
    offload(key) {
      last.release()
      return .event(.finished(key, UnmountStep.sweep(path)))
    }
  }

  /// Carries a volume's descriptors to the thread that closes them.
  private final class LastHolder: Sendable {
    private let mount: Mutex<VolumeMount?>
    private let secrets: Mutex<[SharedDescriptor?]>
    private let held: Mutex<HeldDescriptors>

    init(_ holding: Holding) {
      mount = Mutex(holding.mount)
      secrets = Mutex([holding.secrets, holding.formerSecrets])
      held = Mutex(holding.held)
      holding.mount = nil
      holding.secrets = nil
      holding.formerSecrets = nil
      holding.held = HeldDescriptors()
    }

    func release() {
      mount.withLock { $0 = nil }
      secrets.withLock { $0 = [] }
      held.withLock { $0 = HeldDescriptors() }
    }
  }
}

extension WorkerStatus {
  /// What happened, for the log.
  fileprivate var sentence: String {
    switch state {
    case .starting: pid == nil ? "mounting" : "the worker starts"
    case .ready: "ready"
    case .interrupted(let reason): "interrupted: \(reason)"
    case .failed(let reason): "failed: \(reason)"
    case .stopping: "stopping"
    }
  }
}
