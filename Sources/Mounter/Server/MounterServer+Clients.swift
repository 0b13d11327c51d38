internal import LinuxSystem
internal import Logging
internal import SystemPackage
internal import VolumeModel

/// Clients: who may come, what they say, and what they are told.
extension MounterServer {
  /// Clients beyond it are turned away.
  private static let maximumClients = 256

  /// Takes in whoever waits at the socket.
  func accept() {
    while true {
      let socket: SeqpacketSocket
      do throws(Errno) {
        guard let listener else { return }
        socket = try listener.accept()
        try socket.descriptor.setNonBlocking(true)
      } catch .resourceTemporarilyUnavailable {
        return
      } catch {
        return log.error("a client cannot be accepted", metadata: ["error": "\(error)"])
      }
      guard isTrusted(socket), clients.count < Self.maximumClients else { continue }
      serve(socket)
    }
  }

  /// Only root and the mounter's own user may ask for mounts.
  private func isTrusted(_ socket: SeqpacketSocket) -> Bool {
    guard let peer = try? socket.peerCredentials() else { return false }
    if peer.uid == 0 || peer.uid == ProcessUser.effective { return true }
    log.warning("a client of another user was turned away", metadata: ["uid": "\(peer.uid)", "pid": "\(peer.pid)"])
    return false
  }

  private func serve(_ socket: SeqpacketSocket) {
    lastClient += 1
    let custody = ClientConnection.Custody(
      volume: { [unowned self] in copy(of: $0) }, node: { [unowned self] in holdings[$0]?.held.byNode[$1] })
    let client = ClientConnection(number: lastClient, socket: socket, custody: custody)
    do throws(Errno) {
      client.token = try loop.watch(socket.rawValue) { [unowned self] _ in read(client) }
      clients[client.number] = client
    } catch {
      log.error("a client cannot be watched", metadata: ["error": "\(error)"])
    }
  }

  /// At most so many packets of one client are read before the others have their turn.
  private static let packetsPerTurn = 32

  private func read(_ client: ClientConnection) {
    client.flush()
    for _ in 0..<Self.packetsPerTurn {
      guard !client.isClosed, let packet = client.receive() else { break }
      do {
        take(try Wire.call(packet.bytes), packet.descriptors, from: client)
      } catch {
        client.send(ReplyMessage(id: 0, reply: .failed(.malformed(reason: String(describing: error)))))
        client.drop()
      }
    }
    settle(client)
  }

  /// Waits for what the client needs, or forgets it.
  func settle(_ client: ClientConnection) {
    guard let token = client.token else { return }
    if client.isClosed {
      loop.unwatch(client.socket.rawValue, token)
      client.token = nil
      clients[client.number] = nil
      incomingSecrets = incomingSecrets.filter { $0.key.connection != client.number }
      feed(.connectionClosed(client.number))
    } else {
      do throws(Errno) { try loop.change(client.socket.rawValue, token, to: client.interest) } catch {
        log.error("a client cannot be watched", metadata: ["error": "\(error)"])
      }
    }
  }

  private func take(_ message: CallMessage, _ descriptors: [SharedDescriptor], from client: ClientConnection) {
    guard message.id != 0 else {
      client.send(ReplyMessage(id: 0, reply: .failed(.malformed(reason: "a call has no id"))))
      return client.drop()
    }
    let call = CallID(connection: client.number, number: message.id)
    let deadline: Deadline =
      message.timeoutMilliseconds == 0 ? .never : .after(.milliseconds(Int(message.timeoutMilliseconds)))
    let named = Packet.byRole(descriptors, message.roles)
    if case .offerCustody(let volume) = message.call {
      return take(CustodyCopy(volume: volume, descriptors: named), offeredBy: client, call)
    }
    let secrets = named[.secrets]
    if let secrets {
      guard CustodyCheck.isSealed(secrets) else {
        return answer(call, .failed(.malformed(reason: "the secrets are not a sealed memfd of at most 256 KiB")))
      }
      incomingSecrets[call] = secrets
    }
    switch message.call {
    case .hello(let version, let program): greet(client, call, version: version, program: program)
    case .ensureMounted(let request):
      // The worker's log names the call that it was started for.
      if holdings[request.key] == nil { traces[request.key] = message.trace }
      feed(.called(call, .ensureMounted(request, secrets: secrets != nil), by: deadline))
    case .unmount(let key, let abandoning):
      feed(.called(call, .unmount(key, abandoningUsers: abandoning), by: deadline))
    case .updateOptions(let key, let options): feed(.called(call, .updateOptions(key, options), by: deadline))
    case .refreshSecrets(let key):
      guard secrets != nil else { return answer(call, .failed(.malformed(reason: "no secrets came with the call"))) }
      feed(.called(call, .refreshSecrets(key), by: deadline))
    case .status(let key):
      answer(call, keeper.volumes[key].map { .status($0.status) } ?? .failed(.notMounted(key)))
    case .list: list(client, call)
    case .subscribe:
      client.isSubscribed = true
      list(client, call)
    case .shutdown(let unmountingAll): feed(.shutdown(call, unmountingAll: unmountingAll, by: deadline))
    case .keepCustody: letKeepCustody(client, call)
    case .takeOver: feed(.takeOver(call))
    case .handOver(let key): feed(.called(call, .handOver(key), by: deadline))
    case .endTakeOver: feed(.endTakeOver(call))
    case .offerCustody: break
    case .offerNode(let node):
      // Of a volume that was just adopted, or that was not: then it is of no use.
      if let descriptor = named[.node], holdings[node.key]?.mount != nil {
        change(.held(node.node, descriptor), node.key)
      }
      answer(call, .done)
    case .unknown: answer(call, .failed(.protocolVersion(reason: "the mounter does not know this call")))
    case .malformed(let reason): answer(call, .failed(.malformed(reason: reason)))
    }
  }

  private func greet(_ client: ClientConnection, _ call: CallID, version: UInt32, program: String) {
    client.program = program
    guard version >= ProtocolVersion.oldest else {
      let reason = "the client speaks version \(version), the mounter \(ProtocolVersion.oldest) and later"
      return answer(call, .failed(.protocolVersion(reason: reason)))
    }
    log.debug("a client connected", metadata: ["program": "\(program)"])
    let greeting = ReplyMessage.Greeting(
      version: ProtocolVersion.current, oldestVersion: ProtocolVersion.oldest, program: configuration.program,
      pid: ProcessUser.pid)
    client.send(ReplyMessage(id: call.number, reply: .hello(greeting)))
  }

  private func list(_ client: ClientConnection, _ call: CallID) {
    for status in keeper.statuses {
      client.send(ReplyMessage(id: call.number, more: true, reply: .status(withActivity(status))))
    }
    client.send(ReplyMessage(id: call.number, reply: .done))
  }
}
