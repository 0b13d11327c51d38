internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Giving copies of every volume to those who keep them, and going on with a volume that is offered.
extension MounterServer {
  /// The volume as it is now; nil where nothing is mounted for the key.
  func copy(of key: WorkerKey) -> CustodyCopy? {
    guard let holding = holdings[key], let mount = holding.mount, let volume = keeper.volumes[key] else { return nil }
    var descriptors: [DescriptorRole: SharedDescriptor] = [
      .fuseDevice: mount.fuseDevice, .sharedState: mount.sharedState,
    ]
    descriptors[.underFileSystemRoot] = mount.underFileSystemRoot
    descriptors[.pageFolder] = mount.pageFolder
    descriptors[.sharedPages] = mount.sharedPages
    descriptors[.cacheAccount] = mount.cacheAccount
    descriptors[.secrets] = holding.secrets
    if let worker = holding.worker { descriptors.merge(worker.descriptors) { $1 } }
    let custody = VolumeCustody(
      status: volume.status, fuseInit: mount.fuseInit, granted: mount.granted.rawValue, generation: volume.generation)
    return CustodyCopy(volume: custody, descriptors: descriptors)
  }

  /// Lets everybody who keeps copies have the volume as it is now. The parent has it when this returns.
  func deposit(_ key: WorkerKey) {
    for client in clients.values where client.keepsCustody {
      client.renewCustody(of: key)
      settle(client)
    }
    guard let parent, let copy = copy(of: key) else { return }
    do throws(Errno) { try parent.deposit(copy) } catch {
      log.error("the parent keeps no copy", metadata: metadata(key).merging(["error": "\(error)"]) { $1 })
    }
  }

  /// The same of one file that has no name.
  func depositNode(_ node: UInt64, _ key: WorkerKey) {
    for client in clients.values where client.keepsCustody {
      client.renewCustody(of: node, of: key)
      settle(client)
    }
    // A parent that is gone keeps nothing; its end is this mounter's.
    try? parent?.deposit(node, of: key, holdings[key]?.held.byNode[node])
  }

  func letKeepCustody(_ client: ClientConnection, _ call: CallID) {
    client.keepsCustody = true
    for (key, holding) in holdings where copy(of: key) != nil {
      client.renewCustody(of: key)
      for node in holding.held.byNode.keys { client.renewCustody(of: node, of: key) }
    }
    answer(call, .done)
  }

  /// For answers to those who ask how a volume is: what changes too often, or is too long, to be told unasked.
  func withCustody(_ status: WorkerStatus) -> WorkerStatus {
    let key = status.request.key
    var custodians = clients.values.filter { $0.hasCustody(of: key) }.map { client in
      let pid = (try? client.socket.peerCredentials().pid).map { $0 == 0 ? "" : " (pid \($0))" } ?? ""
      return client.program + pid
    }
    if parent != nil { custodians.append("parent (pid \(ProcessUser.parent))") }
    var missing: [String] = []
    if status.pid == nil { missing.append("worker") }
    if holdings[key]?.mount == nil { (custodians, missing) = ([], []) }
    var status = status
    status.custody = CustodyReport(custodians: custodians.sorted(), missing: missing)
    status.counters = holdings[key]?.counters
    return status
  }

  /// For the list: what changes all the time, so that two answers about one volume would never be the same.
  func withActivity(_ status: WorkerStatus) -> WorkerStatus {
    var status = withCustody(status)
    status.activity = holdings[status.request.key]?.activity
    // The worker's own word would be that of the one process here that nobody trusts.
    status.residentBytes = status.pid.flatMap { try? ProcessStatus(pid: $0).residentBytes }
    return status
  }
}

// MARK: Adopting

extension MounterServer {
  /// A client offers what it has kept for a mounter that is gone.
  func take(_ copy: CustodyCopy, offeredBy client: ClientConnection, _ call: CallID) {
    let key = copy.key
    func refuse(_ reason: String) {
      log.warning(
        "copies are refused",
        metadata: metadata(key).merging(["by": "\(client.program)", "reason": "\(reason)"]) { $1 })
      answer(call, .failed(.custodyRefused(key: key, reason: reason)))
    }
    if let known = keeper.volumes[key] {
      // It has outlived the connection that the client lost: nothing is to be done.
      if known.connection == copy.volume.status.connection { return answer(call, .done) }
      return refuse("it is mounted by this mounter on FUSE connection \(known.connection) already")
    }
    if !keeper.canAdopt(key) { return refuse("the mounter is ending, or is taking the volume's mount away") }
    if let reason = CustodyCheck.refusal(copy, stateDirectory: configuration.stateDirectory) { return refuse(reason) }
    do throws(Errno) { try adopt(copy, isFromParent: false) } catch { return refuse("\(error)") }
    answer(call, .done)
    if let status = keeper.volumes[key]?.status { perform(.publish(status)) }
  }

  /// Goes on with a volume of an earlier mounter. A worker that lives and can be talked to serves on. Any other could not be
  /// asked to drain, watched or told of new options: ``startWorker(_:generation:)`` finds it by the lock that it has on the
  /// shared state, kills it, and starts the next once it is certainly gone; users wait as they do for any death.
  func adopt(_ copy: CustodyCopy, isFromParent: Bool) throws(Errno) {
    let status = copy.volume.status
    let key = status.request.key
    guard let device = copy.descriptors[.fuseDevice], let state = copy.descriptors[.sharedState] else { return }
    let worker = try Self.worker(of: copy)
    worker?.isReapedByParent = isFromParent
    if let worker { worker.cgroup = cgroups.leaf(of: worker.process.pid) }
    let holding = holding(key)
    holding.mount = VolumeMount(
      mountPoint: status.request.mountPoint, connection: status.connection, fuseInit: copy.volume.fuseInit,
      granted: FuseInitFlags(rawValue: copy.volume.granted), fuseDevice: device, sharedState: state,
      underFileSystemRoot: copy.descriptors[.underFileSystemRoot], pageFolder: copy.descriptors[.pageFolder],
      sharedPages: copy.descriptors[.sharedPages], cacheAccount: copy.descriptors[.cacheAccount])
    holding.secrets = copy.descriptors[.secrets]
    for (node, descriptor) in copy.nodes { _ = holding.held.apply(.held(node, descriptor)) }
    holding.worker = worker
    if let worker { try watch(worker, key) }
    keeper.adopt(Volume(adopting: copy.volume, worker: worker?.process.pid, limits: keeper.limits))
    if keeper.volumes[key]?.phase == .starting(givenUp: nil) {
      command(key, id: .max, .updateOptions(status.request.options))
    }
    log.info("taken over", metadata: metadata(key).merging(["worker": "\(worker?.process.pid ?? 0)"]) { $1 })
  }

  /// The worker of the copy, dead or alive; nil where it had none that can be talked to.
  private static func worker(of copy: CustodyCopy) throws(Errno) -> WorkerProcess? {
    guard let pid = copy.volume.status.pid, let process = copy.descriptors[.workerProcess],
      PidFD.pid(of: process.descriptor) != nil, let control = copy.descriptors[.workerControl],
      let output = copy.descriptors[.workerOutput]
    else { return nil }
    return WorkerProcess(
      process: PidFD(adopting: try process.descriptor.duplicate(), pid: pid),
      control: SeqpacketSocket(adopting: try control.descriptor.duplicate()), output: output)
  }
}
