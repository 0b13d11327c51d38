internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// What the serving mounter gives its parent to keep, and takes over from it.
extension MounterServer {
  /// Lets the parent keep what there is of the volume now.
  func deposit(_ status: WorkerStatus) {
    let key = status.request.key
    guard let parent, let holding = holdings[key], let mount = holding.mount, let volume = keeper.volumes[key] else {
      return
    }
    var descriptors: [(DescriptorRole, CInt)] = [
      (.fuseDevice, mount.fuseDevice.rawValue), (.sharedState, mount.sharedState.rawValue),
    ]
    if let root = mount.underFileSystemRoot { descriptors.append((.underFileSystemRoot, root.rawValue)) }
    if let secrets = holding.secrets { descriptors.append((.secrets, secrets.rawValue)) }
    if let worker = holding.worker {
      descriptors.append((.workerProcess, worker.process.rawValue))
      descriptors.append((.workerControl, worker.control.rawValue))
      descriptors.append((.workerOutput, worker.output.rawValue))
    }
    let held = HeldVolume(
      status: status, fuseInit: mount.fuseInit, granted: mount.granted.rawValue, generation: volume.generation)
    do throws(Errno) { try parent.deposit(held, descriptors) } catch {
      log.error("the parent keeps no copy", metadata: metadata(key).merging(["error": "\(error)"]) { $1 })
    }
  }

  /// Goes on with what an earlier mounter of this parent was doing when it died.
  func adoptHoldings() throws(Errno) {
    guard let parent else { return }
    for kept in try parent.receiveKept() { try adopt(kept) }
    _ = try loop.watch(parent.rawValue) { [unowned self] _ in
      // A parent that is PID 1 cannot be gone while this process lives; elsewhere its end is this mounter's.
      if !parent.read() { loop.stop() }
    }
  }

  private func adopt(_ kept: ParentLink.Kept) throws(Errno) {
    let status = kept.volume.status
    let key = status.request.key
    guard let device = kept.descriptors[.fuseDevice], let state = kept.descriptors[.sharedState] else { return }
    let holding = holding(key)
    holding.mount = VolumeMount(
      mountPoint: status.request.mountPoint, connection: status.connection, fuseInit: kept.volume.fuseInit,
      granted: FuseInitFlags(rawValue: kept.volume.granted), fuseDevice: device, sharedState: state,
      underFileSystemRoot: kept.descriptors[.underFileSystemRoot])
    holding.secrets = kept.descriptors[.secrets]
    // Without a worker the next one is started as soon as the mounter serves.
    var volume = Volume(request: status.request, phase: .waiting)
    volume.timer = .now
    volume.revision = status.revision
    volume.connection = status.connection
    volume.generation = kept.volume.generation
    volume.history = status.history
    volume.trouble = status.history.deaths.last?.exit.sentence
    if case .failed(let reason) = status.state { volume.phase = .failed(reason: reason) }
    if let pid = status.pid, let process = kept.descriptors[.workerProcess],
      let control = kept.descriptors[.workerControl], let output = kept.descriptors[.workerOutput]
    {
      let worker = WorkerProcess(
        process: try PidFD(adopting: process.descriptor.duplicate(), pid: pid),
        control: SeqpacketSocket(adopting: try control.descriptor.duplicate()), output: output)
      worker.cgroup = cgroups.leaf(key, generation: volume.generation)
      holding.worker = worker
      volume.pid = pid
      volume.startedAt = status.startedAt
      // It may have said so just before the earlier mounter died: it is asked for an answer below.
      let isStarting = status.state == .starting || !status.serves
      volume.phase = isStarting ? .starting(givenUp: nil) : .ready
      volume.timer = isStarting ? .after(keeper.limits.start) : .never
      // Asked at once: it may have hung since long.
      if !isStarting, keeper.limits.watch != nil { volume.watch.nextPing = .now }
      try watch(worker, key)
    }
    keeper.adopt(volume)
    if case .starting = volume.phase { command(key, id: .max, .updateOptions(status.request.options)) }
    log.info("taken over", metadata: metadata(key))
  }
}
