internal import LinuxSystem
internal import SystemPackage

/// One client of the mounter. Belongs to the event loop's thread.
final class ClientConnection {
  let number: UInt64
  /// Non-blocking.
  let socket: SeqpacketSocket
  /// As it named itself, for the log.
  var program = "unknown"
  /// It wants events.
  var isSubscribed = false
  /// It is gone, or is to be dropped.
  private(set) var isClosed = false
  /// What the event loop calls it.
  var token: EventLoop.Token?
  private var outbox: [[UInt8]] = []

  /// Packets that wait for a client that does not read; a client with more is dropped.
  private static let longestOutbox = 4_096

  init(number: UInt64, socket: SeqpacketSocket) {
    self.number = number
    self.socket = socket
  }

  /// What the connection waits for.
  var interest: EpollEvents { outbox.isEmpty ? .readable : [.readable, .writable] }

  /// Sends now or when the client reads again.
  func send(_ message: ReplyMessage) {
    if isClosed { return }
    outbox.append(Wire.encode(message))
    flush()
    if outbox.count > Self.longestOutbox { isClosed = true }
  }

  /// Sends what waits, as far as the socket takes it.
  func flush() {
    while let packet = outbox.first, !isClosed {
      do throws(Errno) {
        try socket.send(packet)
        outbox.removeFirst()
      } catch .resourceTemporarilyUnavailable {
        return
      } catch {
        isClosed = true
      }
    }
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
