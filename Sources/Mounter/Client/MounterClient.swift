package import LinuxSystem
internal import Synchronization
internal import SystemPackage
package import VolumeModel

/// A mounter that listens at a socket. The connection is made with the first call and again after it was lost.
package final class MounterClient: VolumeMounter {
  /// Absolute path of the mounter's socket.
  package let socket: String
  package let events: AsyncStream<MounterEvent>

  private let program: String
  private let sender: AsyncStream<MounterEvent>.Continuation
  private let link = Mutex<ClientLink?>(nil)
  /// Nil where nothing is kept.
  let custody: CustodyStore?

  /// - Parameters:
  ///   - program: name and version of the calling program, for the mounter's log.
  ///   - keepsCustody: keep a copy of every volume's descriptors and offer it to the next mounter, should this one die. What
  ///     is kept lives as long as this client and its process.
  package init(socket: String, program: String, keepsCustody: Bool = false) {
    self.socket = socket
    self.program = program
    custody = keepsCustody ? CustodyStore() : nil
    (events, sender) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1_024))
  }

  deinit {
    link.withLock { $0?.close() }
    sender.finish()
  }

  package func ensureMounted(
    _ request: MountRequest, secrets: VolumeSecrets?, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    let sealed = try secrets.map { (secrets) throws(MounterError) in try Self.seal(secrets) }
    let step = "waiting for the mounter to serve \(request.underFileSystem)"
    return try status(await call(.ensureMounted(request), secrets: sealed, by: deadline, step: step))
  }

  package func unmount(_ key: WorkerKey, abandoningUsers: Bool, by deadline: Deadline) async throws(MounterError) {
    let step = "waiting for the mounter to unmount volume \(key.volumeID)"
    _ = try await call(.unmount(key, abandoningUsers: abandoningUsers), by: deadline, step: step)
    custody?.drop(key)
  }

  package func status(of key: WorkerKey, by deadline: Deadline) async throws(MounterError) -> WorkerStatus? {
    do throws(MounterError) {
      return try status(await call(.status(key), by: deadline, step: "asking the mounter for volume \(key.volumeID)"))
    } catch .notMounted {
      return nil
    }
  }

  package func list(by deadline: Deadline) async throws(MounterError) -> [WorkerStatus] {
    try await call(.list, by: deadline, step: "asking the mounter for its volumes").compactMap { reply in
      if case .status(let status) = reply { status } else { nil }
    }
  }

  package func refreshSecrets(
    _ secrets: VolumeSecrets, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) {
    let step = "waiting for the worker of volume \(key.volumeID) to take new secrets"
    _ = try await call(.refreshSecrets(key), secrets: Self.seal(secrets), by: deadline, step: step)
  }

  package func updateOptions(
    _ options: WorkerOptions, of key: WorkerKey, by deadline: Deadline
  ) async throws(MounterError) -> WorkerStatus {
    let step = "waiting for the worker of volume \(key.volumeID) to take new options"
    return try status(await call(.updateOptions(key, options), by: deadline, step: step))
  }

  package func cacheAccount(of key: WorkerKey) -> SharedDescriptor? { custody?.descriptor(.cacheAccount, of: key) }

  package func sharedPages(of key: WorkerKey) -> SharedPages? { custody?.sharedPages(of: key) }

  /// Asks the mounter to end. Without `unmountingAll` its mounts and workers stay.
  package func shutdown(unmountingAll: Bool, by deadline: Deadline) async throws(MounterError) {
    _ = try await call(.shutdown(unmountingAll: unmountingAll), by: deadline, step: "waiting for the mounter to end")
  }

  /// Connects, if need be, and waits until the mounter has answered: a living mounter of a version that this one
  /// understands.
  package func connect(by deadline: Deadline) async throws(MounterError) {
    let hello = CallMessage.Call.hello(version: ProtocolVersion.current, program: program)
    _ = try await call(hello, by: deadline, step: "waiting for the mounter to answer")
  }

  // MARK: Calls

  private func call(
    _ call: CallMessage.Call, secrets: SharedDescriptor? = nil, by deadline: Deadline, step: String
  ) async throws(MounterError) -> [ReplyMessage.Reply] {
    let link = try connected()
    let running = Mutex<UInt64?>(nil)
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<ClientLink.Outcome, Never>) in
        let descriptors: [DescriptorRole: SharedDescriptor] = secrets.map { [.secrets: $0] } ?? [:]
        let id = link.send(call, descriptors: descriptors, by: deadline, step: step) {
          continuation.resume(returning: $0)
        }
        running.withLock { $0 = id }
        if Task.isCancelled, let id { link.cancel(id) }
      }
    } onCancel: {
      if let id = running.withLock({ $0 }) { link.cancel(id) }
    }
    return try outcome.get()
  }

  /// The living connection, or a new one, which says hello, offers what is kept and asks for events before anything else:
  /// a mounter that is asked for a volume knows it by then.
  private func connected() throws(MounterError) -> ClientLink {
    try link.withLock { (current) throws(MounterError) in
      if let current, !current.isClosed { return current }
      let fresh = try ClientLink(to: socket) { [weak self] event in self?.take(event) }
      current = fresh
      greet(on: fresh)
      return fresh
    }
  }

  private func greet(on link: ClientLink) {
    let deadline = Deadline.never
    link.send(.hello(version: ProtocolVersion.current, program: program), by: deadline, step: "") { [weak link] in
      // Calls of a mounter that does not speak this version are answered with the reason one by one.
      if case .success(let replies) = $0, case .hello(let greeting) = replies.last,
        greeting.oldestVersion > ProtocolVersion.current
      {
        link?.close()
      }
    }
    if let custody { exchange(custody, on: link) }
    link.send(.subscribe, by: deadline, step: "") { [sender] in
      guard case .success(let replies) = $0 else { return }
      let statuses = replies.compactMap { if case .status(let status) = $0 { status } else { nil } }
      sender.yield(.connected(statuses))
    }
  }

  /// Offers every copy, then asks for those of this mounter.
  private func exchange(_ custody: CustodyStore, on link: ClientLink) {
    custody.beginConnection()
    for copy in custody.copies {
      link.send(.offerCustody(copy.volume), descriptors: copy.descriptors, by: .never, step: "") { [sender] in
        guard case .failure(.custodyRefused(let key, let reason)) = $0 else { return }
        sender.yield(.custodyRefused(key, reason: reason))
      }
      for (node, descriptor) in copy.nodes {
        let call = CallMessage.Call.offerNode(NodeCustody(key: copy.key, node: node))
        link.send(call, descriptors: [.node: descriptor], by: .never, step: "") { _ in }
      }
    }
    link.send(.keepCustody, by: .never, step: "") {
      // An older mounter, which neither takes nor gives copies, says that it does not know the call.
      if case .success = $0 { custody.dropUnconfirmed() }
    }
  }

  private func take(_ event: ClientLink.Event) {
    switch event {
    case .event(let status): sender.yield(.changed(status))
    case .custody(let copy): custody?.keep(copy)
    case .node(let node, let descriptor): custody?.keep(node.node, of: node.key, descriptor)
    case .withdraw(let key): custody?.drop(key)
    case .closed:
      link.withLock { if $0?.isClosed == true { $0 = nil } }
      sender.yield(.disconnected)
    }
  }

  private func status(_ replies: [ReplyMessage.Reply]) throws(MounterError) -> WorkerStatus {
    guard case .status(let status) = replies.last else {
      throw .protocolVersion(reason: "the mounter answered something else than a status")
    }
    return status
  }

  private static func seal(_ secrets: VolumeSecrets) throws(MounterError) -> SharedDescriptor {
    try failing("sealing the volume's secrets") { () throws(Errno) in
      SharedDescriptor(try Memfd.sealed(name: "alluxio-secrets", bytes: Wire.encode(secrets)))
    }
  }
}
