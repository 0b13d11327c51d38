internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Following a mounter that lives: volume after volume, and then its socket. Until that one has let go of its socket it can
/// go on with everything, and does when this connection ends; so giving up is ending this mounter's workers and going.
/// Belongs to the event loop's thread.
final class TakeOver {
  private enum Step {
    case beginning
    /// The volume's worker is on its way out.
    case asking(WorkerKey)
    /// The volume's next worker is on its way in. `deaths`: of those before.
    case starting(WorkerKey, deaths: Int)
    case ending
    /// The predecessor is gone, and its socket not free until then.
    case listening(until: Deadline)
    case over
  }

  private let predecessor: SeqpacketSocket
  private var step = Step.beginning
  private var keys: [WorkerKey] = []
  private var nodes: [UInt64: SharedDescriptor] = [:]
  private var lastCall: UInt64 = 0
  private var token: EventLoop.Token?
  private weak var server: MounterServer?
  /// When the present step has taken too long.
  private(set) var deadline = Deadline.never

  /// For a worker to go and the next one to serve.
  private static let patience = Duration.seconds(90)

  init(from predecessor: SeqpacketSocket) { self.predecessor = predecessor }

  func begin(_ server: MounterServer) throws(Errno) {
    self.server = server
    token = try server.loop.watch(predecessor.rawValue) { [unowned self] _ in read() }
    server.log.notice("taking over", metadata: ["socket": "\(server.configuration.socket)"])
    deadline = .after(Self.patience)
    call(.hello(version: ProtocolVersion.current, program: server.configuration.program))
    call(.takeOver)
  }

  /// A volume of this mounter has changed.
  func noticed(_ status: WorkerStatus) {
    guard case .starting(let key, let deaths) = step, status.request.key == key else { return }
    switch status.state {
    case .ready where status.pid != nil, .failed: next()
    case _ where status.history.deaths.count > deaths:
      giveUp("volume \(key.volumeID): \(status.history.deaths.last?.exit.sentence ?? "its worker does not serve")")
    default: break
    }
  }

  func timePassed() {
    guard deadline.hasPassed else { return }
    if case .listening(let limit) = step { listen(until: limit) } else { giveUp("a step of it takes too long") }
  }

  // MARK: Talking to the predecessor

  private func call(_ call: CallMessage.Call) {
    lastCall += 1
    // A few packets at most are under way. Where it is gone, the end of the connection says so.
    try? predecessor.send(Wire.encode(CallMessage(id: lastCall, call: call)))
  }

  private func read() {
    while token != nil {
      do throws(Errno) {
        guard
          let packet = try predecessor.receive(
            maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
        else { return predecessorEnded() }
        guard let message = try? Wire.reply(packet.bytes), message.id == lastCall else { continue }
        take(message, Packet.byRole(packet.descriptors, message.roles))
      } catch .resourceTemporarilyUnavailable {
        return
      } catch {
        return predecessorEnded()
      }
    }
  }

  private func take(_ message: ReplyMessage, _ descriptors: [DescriptorRole: SharedDescriptor]) {
    switch (message.reply, step) {
    case (.status(let status), .beginning): keys.append(status.request.key)
    case (.done, .beginning): next()
    case (.node(let node), .asking): nodes[node.node] = descriptors[.node]
    case (.custody(let volume), .asking(let key)):
      adopt(CustodyCopy(volume: volume, descriptors: descriptors, nodes: nodes), key)
    // The volume is gone meanwhile.
    case (.failed(.notMounted), .asking): next()
    case (.done, .ending): predecessorEnded()
    case (.failed(let error), _): giveUp("\(error)")
    default: break
    }
  }

  private func next() {
    deadline = .after(Self.patience)
    nodes = [:]
    if let key = keys.popLast() {
      step = .asking(key)
      call(.handOver(key))
    } else {
      step = .ending
      call(.endTakeOver)
    }
  }

  private func adopt(_ copy: CustodyCopy, _ key: WorkerKey) {
    guard let server else { return }
    step = .starting(key, deaths: copy.volume.status.history.deaths.count)
    let stateDirectory = server.configuration.stateDirectory
    if let reason = CustodyCheck.refusal(copy, stateDirectory: stateDirectory) {
      // What is lost is nobody's; the predecessor forgets it.
      guard (try? copy.descriptors[.fuseDevice]?.descriptor.hasError()) == false else { return next() }
      return giveUp("volume \(key.volumeID): \(reason)")
    }
    do throws(Errno) { try server.adopt(copy, isFromParent: false) } catch {
      return giveUp("volume \(key.volumeID): \(error)")
    }
    if let status = server.keeper.volumes[key]?.status { server.perform(.publish(status)) }
  }

  // MARK: The end

  /// It has let go of everything, or died. Either way whoever gets the socket is the mounter: it, or the one that its
  /// parent starts, would have it still.
  private func predecessorEnded() {
    unwatch()
    listen(until: .after(.seconds(2)))
  }

  /// A process that dies may let go of its connections before it lets go of the socket's lock.
  private func listen(until limit: Deadline) {
    guard let server else { return }
    let path = server.configuration.socket
    do throws(MounterError) { server.listener = try MounterServer.listen(at: path) } catch {
      guard error.isAddressInUse, !limit.hasPassed, Successor(at: path) == nil else { return giveUp("\(error)") }
      step = .listening(until: limit)
      deadline = .after(.milliseconds(2))
      return
    }
    do throws(Errno) { try server.serveClients() } catch { return giveUp("\(error)") }
    server.log.notice("taken over", metadata: ["volumes": "\(server.holdings.count)"])
    step = .over
    deadline = .never
    server.takeOver = nil
  }

  /// The predecessor starts workers of its own as soon as it sees that this connection has ended.
  private func giveUp(_ reason: String) {
    guard let server else { return }
    server.log.critical(
      "the take-over is given up, and volumes stay with the mounter before", metadata: ["reason": "\(reason)"])
    step = .over
    deadline = .never
    server.endWorkers()
    unwatch()
    server.loop.stop()
  }

  private func unwatch() {
    if let token { server?.loop.unwatch(predecessor.rawValue, token) }
    token = nil
  }
}

extension MounterServer {
  /// Answers the mounter that takes over.
  func handOver(_ call: CallID, _ key: WorkerKey) {
    guard let client = clients[call.connection], let copy = copy(of: key) else {
      return answer(call, .failed(.notMounted(key)))
    }
    for (node, descriptor) in holdings[key]?.held.byNode ?? [:] {
      let body = ReplyMessage.Reply.node(NodeCustody(key: key, node: node))
      client.send(ReplyMessage(id: call.number, more: true, roles: [.node], reply: body), [descriptor])
    }
    let (roles, descriptors) = copy.parcel
    client.send(ReplyMessage(id: call.number, roles: roles, reply: .custody(copy.volume)), descriptors)
    log.notice("handed over", metadata: metadata(key))
    settle(client)
  }

  /// Kills every worker and waits for their ends: another mounter is to start its own.
  func endWorkers() {
    let workers = holdings.values.compactMap(\.worker)
    for worker in workers { try? worker.process.signal(9) }
    for worker in workers { _ = try? worker.process.hasEnded(within: 5_000) }
  }
}
