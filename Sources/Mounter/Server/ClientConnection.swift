internal import LinuxSystem
internal import SystemPackage
internal import VolumeModel

/// One client of the mounter. Belongs to the event loop's thread.
final class ClientConnection {
  let number: UInt64
  /// Non-blocking.
  let socket: SeqpacketSocket
  /// As it named itself, for the log.
  var program = "unknown"
  /// It wants events.
  var isSubscribed = false
  /// It keeps copies of all volumes.
  var keepsCustody = false
  /// It is gone, or is to be dropped.
  private(set) var isClosed = false
  /// What the event loop calls it.
  var token: EventLoop.Token?
  private var outbox: [Parcel] = []
  /// Volumes whose copies wait to be sent.
  private var stale: Set<WorkerKey> = []
  private let custody: Custody

  /// What is sent to a client that keeps copies, as it is at that moment; nil where there is nothing any more.
  struct Custody {
    var volume: (WorkerKey) -> CustodyCopy?
    var node: (WorkerKey, UInt64) -> SharedDescriptor?
  }

  /// What waits to be sent.
  private enum Parcel {
    case packet([UInt8], [SharedDescriptor])
    /// The copy of this volume as it is when the socket takes it, or that it is gone.
    case custody(WorkerKey)
    /// The descriptor of this file, or that it is needed no more.
    case node(WorkerKey, UInt64)
  }

  /// Packets that wait for a client that does not read; a client with more is dropped.
  private static let longestOutbox = 4_096

  init(number: UInt64, socket: SeqpacketSocket, custody: Custody) {
    self.number = number
    self.socket = socket
    self.custody = custody
  }

  /// What the connection waits for.
  var interest: EpollEvents { outbox.isEmpty ? .readable : [.readable, .writable] }

  /// Sends now or when the client reads again.
  func send(_ message: ReplyMessage, _ descriptors: [SharedDescriptor] = []) {
    if isClosed { return }
    enqueue(.packet(Wire.encode(message), descriptors))
  }

  /// Brings the client's copy of the volume up to date, now or when the client reads again: a client that reads slowly gets
  /// the last state and not every one.
  func renewCustody(of key: WorkerKey) {
    if isClosed || !keepsCustody || !stale.insert(key).inserted { return }
    enqueue(.custody(key))
  }

  func renewCustody(of node: UInt64, of key: WorkerKey) { if keepsCustody { enqueue(.node(key, node)) } }

  /// Whether the client has been sent the volume as it is now.
  func hasCustody(of key: WorkerKey) -> Bool { keepsCustody && !isClosed && !stale.contains(key) }

  private func enqueue(_ parcel: Parcel) {
    outbox.append(parcel)
    flush()
    if outbox.count > Self.longestOutbox { isClosed = true }
  }

  /// Sends what waits, as far as the socket takes it.
  func flush() {
    while let parcel = outbox.first, !isClosed {
      do throws(Errno) {
        switch parcel {
        case .packet(let bytes, let descriptors): try socket.send(bytes, sharing: descriptors)
        case .custody(let key):
          try send(custodyOf: key)
          stale.remove(key)
        case .node(let key, let node): try send(node, of: key)
        }
        outbox.removeFirst()
      } catch .resourceTemporarilyUnavailable {
        return
      } catch {
        isClosed = true
      }
    }
  }

  private func send(custodyOf key: WorkerKey) throws(Errno) {
    guard let copy = custody.volume(key) else {
      return try socket.send(Wire.encode(ReplyMessage(id: 0, reply: .withdraw(key))))
    }
    let (roles, descriptors) = copy.parcel
    let message = ReplyMessage(id: 0, roles: roles, reply: .custody(copy.volume))
    try socket.send(Wire.encode(message), sharing: descriptors)
  }

  private func send(_ node: UInt64, of key: WorkerKey) throws(Errno) {
    let descriptor = custody.node(key, node)
    let body = ReplyMessage.Reply.node(NodeCustody(key: key, node: node, isReleased: descriptor == nil))
    let message = ReplyMessage(id: 0, roles: descriptor == nil ? [] : [.node], reply: body)
    try socket.send(Wire.encode(message), sharing: descriptor.map { [$0] } ?? [])
  }

  /// The next packet; nil when there is none now. Sets `isClosed` at the end of the connection.
  func receive() -> SocketMessage? {
    do throws(Errno) {
      let packet = try socket.receive(maxBytes: Packet.maximumBytes, maxDescriptors: Packet.maximumDescriptors)
      if packet == nil { isClosed = true }
      return packet
    } catch .resourceTemporarilyUnavailable {
      return nil
    } catch .messageTooLong {
      send(ReplyMessage(id: 0, reply: .failed(.malformed(reason: "a packet is larger than any message"))))
      isClosed = true
      return nil
    } catch {
      isClosed = true
      return nil
    }
  }

  /// Nothing that the client sends is read any more.
  func drop() { isClosed = true }
}
