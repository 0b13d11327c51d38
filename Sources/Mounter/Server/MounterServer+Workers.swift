internal import LinuxSystem
internal import Log
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Worker processes and what they say.
extension MounterServer {
  func startWorker(_ key: WorkerKey, generation: UInt32) {
    guard let holding = holdings[key], let mount = holding.mount, let volume = keeper.volumes[key] else {
      return feed(.workerNotStarted(key, .notMounted(key)))
    }
    if let stranger = stranger(at: mount) { return endStranger(stranger, key) }
    do throws(MounterError) {
      let worker = try worker(for: key, volume, generation: generation)
      lookForProgram()
      holding.worker = worker
      try failing("watching the worker \(worker.process.pid)") { () throws(Errno) in try watch(worker, key) }
      feed(.workerStarted(key, pid: worker.process.pid))
    } catch {
      feed(.workerNotStarted(key, error))
    }
  }

  /// A worker that serves the mount though this mounter knows of none: an earlier one had started it just before it died.
  private func stranger(at mount: VolumeMount) -> WorkerProcess? {
    let state = mount.sharedState
    guard let pid = try? ProcessLock.owner(of: state.descriptor), pid > 0, let process = try? PidFD(pid: pid) else {
      return nil
    }
    // The number may have become another process's before it was opened.
    guard (try? ProcessLock.owner(of: state.descriptor)) == pid else { return nil }
    return try? WorkerProcess(unreachable: process)
  }

  /// Its death, and nothing else, brings the next worker.
  private func endStranger(_ stranger: WorkerProcess, _ key: WorkerKey) {
    holdings[key]?.worker = stranger
    do throws(Errno) { try watch(stranger, key) } catch {
      return feed(.workerNotStarted(key, .system(error, step: "watching a worker of an earlier mounter")))
    }
    feed(.workerStarted(key, pid: stranger.process.pid))
    feed(
      .workerReported(
        key, id: 0, .failed(reason: "a worker of an earlier mounter, which cannot be talked to, is ended")))
  }

  /// A worker that died before it could read it is known by its exit.
  func configureWorker(_ key: WorkerKey) {
    guard let holding = holdings[key], let mount = holding.mount, let worker = holding.worker, worker.canBeAsked,
      let volume = keeper.volumes[key]
    else { return }
    var descriptors: [(DescriptorRole, SharedDescriptor)] = [
      (.fuseDevice, mount.fuseDevice), (.sharedState, mount.sharedState),
    ]
    if let root = mount.underFileSystemRoot { descriptors.append((.underFileSystemRoot, root)) }
    if let secrets = holding.secrets { descriptors.append((.secrets, secrets)) }
    if let folder = mount.pageFolder {
      descriptors.append((.pageFolder, folder))
      if let shared = mount.sharedPages { descriptors.append((.sharedPages, shared)) }
      if let account = mount.cacheAccount { descriptors.append((.cacheAccount, account)) }
      if let environment = nodeEnvironment(volume) { descriptors.append((.nodeEnvironment, environment)) }
    }
    let message = CommandMessage(
      id: 0, roles: descriptors.map(\.0),
      command: .configuration(
        CommandMessage.Configuration(
          request: volume.request, fuseInit: mount.fuseInit, granted: mount.granted.rawValue,
          generation: volume.generation, log: configuration.log,
          startTimeoutMilliseconds: volume.startTimeout(at: .now), trace: traces[key])))
    do throws(Errno) { try worker.send(message, descriptors: descriptors.map(\.1)) } catch {
      log.error("the worker takes no configuration", metadata: metadata(key, error))
    }
  }

  /// Reports, output and the end of a worker become events.
  func watch(_ worker: WorkerProcess, _ key: WorkerKey) throws(Errno) {
    let process = try loop.watch(worker.process.rawValue) { [unowned self] _ in workerEnded(worker, key) }
    let control = try loop.watch(worker.control.rawValue) { [unowned self] _ in readReports(worker, key) }
    let output = try loop.watch(worker.output.rawValue) { [unowned self] _ in readOutput(worker, key) }
    worker.tokens = (process, control, output)
  }

  /// Watches nothing of the worker any more.
  func forget(_ worker: WorkerProcess?) {
    guard let worker, let tokens = worker.tokens else { return }
    worker.tokens = nil
    loop.unwatch(worker.process.rawValue, tokens.process)
    if let token = tokens.control { loop.unwatch(worker.control.rawValue, token) }
    if let token = tokens.output { loop.unwatch(worker.output.rawValue, token) }
  }

  private func readReports(_ worker: WorkerProcess, _ key: WorkerKey) {
    worker.flush()
    defer { settle(worker, key) }
    let (reports, isOpen) = worker.receive()
    for report in reports {
      switch report.message.report {
      case .holdNode(let node): if let descriptor = report.node { change(.held(node, descriptor), key) }
      case .releaseNode(let node): change(.released(node), key)
      case .openBacking(let node, let call):
        if let file = report.node { openBacking(node, file, call: call, for: worker, key) }
      case .closeBacking(let node, let id): closeBacking(node, id, key)
      case .counters(let counters): holdings[key]?.counters = counters
      case .activity(let activity): holdings[key]?.activity = activity
      case .credentials(let revision, let problem):
        credentialsTried(key, revision: revision, problem)
        feed(.workerReported(key, id: report.message.id, .credentials(revision: revision, problem: problem)))
      case .progress(let what):
        log.info("the worker: \(what)", metadata: metadata(key))
        feed(.workerReported(key, id: report.message.id, .progress(what)))
      case .ready:
        feed(.workerReported(key, id: report.message.id, .ready))
        standby.order()
      case .work(var progress):
        progress.lost = lostRequests(key, progress)
        feed(.workerReported(key, id: report.message.id, .work(progress)))
      case .some(let other): feed(.workerReported(key, id: report.message.id, other))
      case nil: break
      }
    }
    if !isOpen, let token = worker.tokens?.control {
      loop.unwatch(worker.control.rawValue, token)
      worker.tokens?.control = nil
    }
  }

  /// What neither the worker has in its hands nor the kernel in its queue.
  private func lostRequests(_ key: WorkerKey, _ progress: WorkerProgress) -> UInt32 {
    guard let mount = holdings[key]?.mount, !mount.granted.contains(.hasResend),
      keeper.volumes[key]?.isRestarted == true,
      (try? mount.fuseDevice.descriptor.isReadable(within: 0)) == false,
      let waiting = try? FuseConnection(number: mount.connection).waiting()
    else { return 0 }
    return UInt32(clamping: waiting - Int(progress.working))
  }

  /// Waits for room in the worker's socket as long as something is to be sent.
  func settle(_ worker: WorkerProcess, _ key: WorkerKey) {
    guard let token = worker.tokens?.control else { return }
    do throws(Errno) { try loop.change(worker.control.rawValue, token, to: worker.interest) } catch {
      log.error("the worker cannot be watched", metadata: metadata(key, error))
    }
  }

  private func readOutput(_ worker: WorkerProcess, _ key: WorkerKey) {
    let (lines, isOpen) = worker.readOutput()
    for line in lines { pass(line, key) }
    if !isOpen, let token = worker.tokens?.output {
      loop.unwatch(worker.output.rawValue, token)
      worker.tokens?.output = nil
    }
  }

  /// A worker's log line goes on as it is where it is a record already; anything else becomes a record.
  private func pass(_ line: String, _ key: WorkerKey) {
    if configuration.log.format == .json, line.hasPrefix("{") {
      StandardError.write("\(line)\n")
    } else {
      log.notice("worker: \(line)", metadata: metadata(key))
    }
  }

  private func workerEnded(_ worker: WorkerProcess, _ key: WorkerKey) {
    let exit: WorkerExit
    do throws(Errno) {
      switch try worker.process.waitIfEnded() {
      case .exited(let code): exit = .exited(code: code)
      case .signalled(let signal, _): exit = .signaled(signal)
      case nil: return
      }
    } catch {
      // A child of another process: nobody tells how it ended but the parent that reaps its own.
      guard worker.isReapedByParent, let parent else { return workerGone(worker, key, .unknown) }
      guard let told = parent.exit(of: worker.process.pid) else { return awaitExit(worker, key, parent) }
      exit = told
    }
    workerGone(worker, key, exit)
  }

  /// The pidfd stays readable: it would wake the loop over and over until the parent has told.
  private func awaitExit(_ worker: WorkerProcess, _ key: WorkerKey, _ parent: ParentLink) {
    if let token = worker.tokens?.process { loop.unwatch(worker.process.rawValue, token) }
    parent.onExit(of: worker.process.pid) { [unowned self] exit in workerGone(worker, key, exit) }
  }

  private func workerGone(_ worker: WorkerProcess, _ key: WorkerKey, _ exit: WorkerExit) {
    // What it said before it died comes first.
    readReports(worker, key)
    readOutput(worker, key)
    for line in worker.lines.finish() { pass(line, key) }
    forget(worker)
    let holding = holdings[key]
    if holding?.worker === worker { holding?.worker = nil }
    let limit = keeper.volumes[key]?.request.options.memoryLimitBytes
    let exit = cgroups.cause(of: exit, in: worker.cgroup, limit: limit)
    cgroups.remove(worker.cgroup)
    let isConnected = (try? holding?.mount?.fuseDevice.descriptor.hasError()) != true
    let asked = (holding?.mount?.sharedState).map { SharedStateHeader.lastWorkerWasAsked(of: $0.descriptor) } ?? true
    feed(.workerExited(key, isConnected ? exit : .disconnected, output: worker.lines.lastLines, asked: asked))
  }

  func command(_ key: WorkerKey, id: UInt64, _ order: WorkerOrder) {
    guard let holding = holdings[key], let worker = holding.worker else { return }
    var message = CommandMessage(id: id, command: .unknown)
    var descriptors: [SharedDescriptor] = []
    switch order {
    case .stop(let milliseconds): message.command = .stop(timeoutMilliseconds: milliseconds)
    case .drain(let milliseconds): message.command = .drain(timeoutMilliseconds: milliseconds)
    case .updateOptions(let options): message.command = .updateOptions(options)
    case .updateSecrets:
      guard let secrets = holding.secrets else { return }
      message.command = .updateSecrets(revision: holding.secretsRevision)
      message.roles = [.secrets]
      descriptors = [secrets]
    }
    do throws(Errno) { try worker.send(message, descriptors: descriptors) } catch {
      log.warning("the worker takes no command", metadata: metadata(key, error))
    }
  }

  /// A worker whose socket is full has questions enough.
  func ping(_ key: WorkerKey) { try? holdings[key]?.worker?.send(CommandMessage(id: 0, command: .ping)) }

  func kill(_ key: WorkerKey) {
    guard let worker = holdings[key]?.worker else { return }
    log.warning("killing the worker", metadata: metadata(key))
    // Fails only where it has ended, which is what is wanted.
    try? worker.process.signal(9)
  }

  private func metadata(_ key: WorkerKey, _ error: Errno) -> Logger.Metadata {
    metadata(key).merging(["error": "\(error)"]) { $1 }
  }
}
