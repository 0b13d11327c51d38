internal import CLinux
import Glibc
package import SystemPackage

/// Who is at the other end of a unix socket, as the kernel recorded it at connect(2) or socketpair(2). SO_PEERCRED.
package struct PeerCredentials: Sendable, Hashable {
  /// In this process's PID namespace; 0 when it is not visible there.
  package var pid: Int32
  /// Effective ids at that moment.
  package var uid: UInt32
  package var gid: UInt32

  package init(pid: Int32, uid: UInt32, gid: UInt32) {
    self.pid = pid
    self.uid = uid
    self.gid = gid
  }
}

/// One message and the descriptors that came with it, CLOEXEC, owned by the receiver.
package struct SocketMessage: Sendable {
  /// At least one byte.
  package var bytes: [UInt8]
  /// In the order in which they were sent.
  package var descriptors: [SharedDescriptor]

  package init(bytes: [UInt8], descriptors: [SharedDescriptor] = []) {
    self.bytes = bytes
    self.descriptors = descriptors
  }
}

/// A connected unix socket that keeps message boundaries and carries descriptors. unix(7), SOCK_SEQPACKET.
package final class SeqpacketSocket: Sendable {
  /// The connection.
  package let descriptor: Descriptor
  package var rawValue: CInt { descriptor.rawValue }

  /// The most descriptors in one message.
  package static let maximumDescriptors = Int(CLINUX_SCM_MAX_FD)

  /// Takes over a connected socket, as one that was inherited.
  package init(adopting descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// Two ends of one connection.
  package static func pair() throws(Errno) -> (SeqpacketSocket, SeqpacketSocket) {
    var numbers: [CInt] = [-1, -1]
    try Syscall.once { socketpair(AF_UNIX, clinux_SOCK_SEQPACKET | clinux_SOCK_CLOEXEC, 0, &numbers) }
    return (
      SeqpacketSocket(adopting: Descriptor(adopting: numbers[0])),
      SeqpacketSocket(adopting: Descriptor(adopting: numbers[1]))
    )
  }

  /// Connects to a listener.
  /// - Throws: ENOENT without a socket, ECONNREFUSED when nobody listens any more, ENAMETOOLONG from 108 bytes on.
  package static func connect(to path: String) throws(Errno) -> SeqpacketSocket {
    try Syscall.checkNoNul(path)
    let descriptor = try make()
    let number = descriptor.rawValue
    try Syscall.retrying { clinux_connect(number, path) }
    return SeqpacketSocket(adopting: descriptor)
  }

  /// Connects at once or not at all; the socket is non-blocking.
  /// - Throws: as `connect(to:)`, and EAGAIN when as many connections wait for the listener as it lets wait.
  package static func connectNonBlocking(to path: String) throws(Errno) -> SeqpacketSocket {
    try Syscall.checkNoNul(path)
    let descriptor = try make()
    try descriptor.setNonBlocking(true)
    let number = descriptor.rawValue
    try Syscall.retrying { clinux_connect(number, path) }
    return SeqpacketSocket(adopting: descriptor)
  }

  static func make() throws(Errno) -> Descriptor {
    Descriptor(adopting: try Syscall.once { socket(AF_UNIX, clinux_SOCK_SEQPACKET | clinux_SOCK_CLOEXEC, 0) })
  }

  /// Sends one message; the descriptors stay open here.
  /// - Parameter bytes: at least one byte, as an empty message looks like the end of the connection.
  /// - Parameter waits: false: does not wait for room, as if the socket were non-blocking.
  /// - Throws: EAGAIN when the socket is non-blocking and full, EPIPE or ECONNRESET when the other side is gone, EMSGSIZE
  ///   when the message is larger than the send buffer, ETOOMANYREFS with too many descriptors in flight.
  package func send(_ bytes: [UInt8], descriptors: [CInt] = [], waits: Bool = true) throws(Errno) {
    guard !bytes.isEmpty, descriptors.count <= Self.maximumDescriptors else { throw Errno.invalidArgument }
    let number = rawValue
    let flags = clinux_MSG_NOSIGNAL | (waits ? 0 : clinux_MSG_DONTWAIT)
    try Syscall.retrying {
      clinux_send_message(number, bytes, bytes.count, descriptors, descriptors.count, flags)
    }
  }

  /// As above. Whoever sends the last references needs not keep them: the optimizer ends an object's life with its last use,
  /// which else were the reading of its number.
  package func send(
    _ bytes: [UInt8], sharing descriptors: [SharedDescriptor], waits: Bool = true
  ) throws(Errno) {
    defer { withExtendedLifetime(descriptors) {} }
    try send(bytes, descriptors: descriptors.map(\.rawValue), waits: waits)
  }

  /// Receives one message; nil when the other side has closed.
  /// - Throws: EAGAIN when the socket is non-blocking and nothing is there; EMSGSIZE when the message had more bytes or
  ///   descriptors than allowed (all of it is gone, its descriptors are closed).
  package func receive(maxBytes: Int, maxDescriptors: Int = 0) throws(Errno) -> SocketMessage? {
    let number = rawValue
    var bytes = [UInt8](repeating: 0, count: maxBytes)
    var numbers = [CInt](repeating: -1, count: Self.maximumDescriptors)
    var count = 0
    var flags: CInt = 0
    let got = try Syscall.retrying {
      clinux_receive_message(number, &bytes, maxBytes, &numbers, &count, clinux_MSG_CMSG_CLOEXEC, &flags)
    }
    let descriptors = numbers[..<count].map { SharedDescriptor(Descriptor(adopting: $0)) }
    let truncated = flags & (clinux_MSG_TRUNC | clinux_MSG_CTRUNC) != 0
    if truncated || count > maxDescriptors { throw Errno.messageTooLong }
    if got == 0, descriptors.isEmpty { return nil }
    bytes.removeLast(maxBytes - got)
    return SocketMessage(bytes: bytes, descriptors: descriptors)
  }

  /// The process that connected, or that listens.
  package func peerCredentials() throws(Errno) -> PeerCredentials {
    let number = rawValue
    var raw = clinux_credentials()
    try Syscall.once { clinux_peer_credentials(number, &raw) }
    return PeerCredentials(pid: raw.pid, uid: raw.uid, gid: raw.gid)
  }

  /// Room for messages on their way, in bytes; the largest message is a little smaller. Beyond the system's limit only
  /// with CAP_NET_ADMIN.
  package func setSendBuffer(byteCount: Int) throws(Errno) {
    let number = rawValue
    var value = CInt(clamping: byteCount)
    let size = socklen_t(MemoryLayout<CInt>.size)
    if setsockopt(number, SOL_SOCKET, SO_SNDBUFFORCE, &value, size) == 0 { return }
    try Syscall.once { setsockopt(number, SOL_SOCKET, SO_SNDBUF, &value, size) }
  }

  /// Tells the other side that no more messages come. shutdown(2).
  package func finishSending() throws(Errno) {
    let number = rawValue
    try Syscall.once { shutdown(number, CInt(SHUT_WR)) }
  }
}
