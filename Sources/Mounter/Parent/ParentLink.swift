internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// The serving mounter's side of the socket to the parent that holds its descriptors. Belongs to the event loop's thread.
final class ParentLink {
  private let socket: SeqpacketSocket
  private var exits: [Int32: WorkerExit] = [:]
  private var awaited: [Int32: (WorkerExit) -> Void] = [:]

  init(adopting socket: consuming Descriptor) { self.socket = SeqpacketSocket(adopting: socket) }

  var rawValue: CInt { socket.rawValue }

  /// Everything that the parent has kept. Blocks until it has handed over the last; then the socket is non-blocking.
  func receiveKept() throws(Errno) -> [CustodyCopy] {
    var kept: [WorkerKey: CustodyCopy] = [:]
    while let (message, descriptors) = try next() {
      switch message.body {
      case .volume(let volume):
        let copy = CustodyCopy(volume: volume, descriptors: descriptors)
        kept[copy.key] = copy
      case .node(let node): kept[node.key]?.nodes[node.node] = descriptors[.node]
      case .reaped(let pid, let exit): exits[pid] = exit
      case .begin:
        try socket.descriptor.setNonBlocking(true)
        return Array(kept.values)
      case .withdraw, .serving, .unknown: break
      }
    }
    throw Errno.connectionReset
  }

  /// Hears of processes that the parent has reaped.
  /// - Returns: false when the parent is gone.
  func read() -> Bool {
    do throws(Errno) {
      while let (message, _) = try next() {
        guard case .reaped(let pid, let exit) = message.body else { continue }
        if let waiting = awaited.removeValue(forKey: pid) { waiting(exit) } else { exits[pid] = exit }
      }
      return false
    } catch .resourceTemporarilyUnavailable {
      return true
    } catch {
      return false
    }
  }

  /// How a worker ended that was no child of this process, if the parent has said so.
  func exit(of pid: Int32) -> WorkerExit? { exits.removeValue(forKey: pid) }

  /// Calls `body` once the parent says how that process ended.
  func onExit(of pid: Int32, _ body: @escaping (WorkerExit) -> Void) { awaited[pid] = body }

  /// Lets the parent keep a copy of a volume. Replaces an earlier one.
  func deposit(_ copy: CustodyCopy) throws(Errno) {
    let (roles, descriptors) = copy.parcel
    try send(ParentMessage(roles: roles, body: .volume(copy.volume)), descriptors)
  }

  /// Lets the parent keep a file's descriptor, or close it.
  func deposit(_ node: UInt64, of key: WorkerKey, _ descriptor: SharedDescriptor?) throws(Errno) {
    let body = ParentMessage.Body.node(NodeCustody(key: key, node: node, isReleased: descriptor == nil))
    try send(ParentMessage(roles: descriptor == nil ? [] : [.node], body: body), descriptor.map { [$0] } ?? [])
  }

  /// Clients are served from now on.
  func serves() { try? send(ParentMessage(body: .serving), []) }

  /// The parent may close its copies.
  func withdraw(_ key: WorkerKey) { try? send(ParentMessage(body: .withdraw(key)), []) }

  /// Waits for a parent whose socket is full: it does nothing but read.
  private func send(_ message: ParentMessage, _ descriptors: [SharedDescriptor]) throws(Errno) {
    let bytes = Wire.encodeToParent(message)
    while true {
      do throws(Errno) { return try socket.send(bytes, sharing: descriptors) } catch {
        guard error == .resourceTemporarilyUnavailable else { throw error }
        _ = try socket.descriptor.isWritable(within: -1)
      }
    }
  }

  private func next() throws(Errno) -> (ParentMessage, [DescriptorRole: SharedDescriptor])? {
    while let packet = try socket.receive(maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors) {
      if let message = try? Wire.messageFromParent(packet.bytes) {
        return (message, Packet.byRole(packet.descriptors, message.roles))
      }
    }
    return nil
  }
}
