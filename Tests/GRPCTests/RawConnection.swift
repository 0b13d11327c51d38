import Dispatch
import GRPC
import Glibc
import LinuxSystem

/// A client that speaks HTTP/2 by hand, frame by frame, so that a test decides what goes over the wire and when the
/// connection breaks.
struct RawConnection: ~Copyable {
  private let socket: SharedDescriptor

  init(_ endpoint: Endpoint) throws { socket = try Self.connect(to: endpoint) }

  private static func connect(to endpoint: Endpoint) throws -> SharedDescriptor {
    let number = try Syscall.once {
      Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    }
    let socket = SharedDescriptor(Descriptor(adopting: number))
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: endpoint.path.utf8) }
    try Syscall.once {
      withUnsafeBytes(of: &address) {
        Glibc.connect(number, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
      }
    }
    return socket
  }

  /// Sends bytes as they are; a server that has hung up is no error.
  func send(_ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { Glibc.send(socket.rawValue, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
  }

  /// Hangs up.
  consuming func close() {}

  /// The connection preface and empty settings.
  func sendPreface() {
    send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + Self.frame(type: 4, flags: 0, stream: 0, []))
  }

  /// A unary call on stream 1; without a message the headers end the stream.
  func sendCall(_ method: String, authority: String, message: [UInt8]?) {
    let headers = [
      (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", authority), ("te", "trailers"),
      ("content-type", "application/grpc"), ("user-agent", "grpc-go/1.60.0"),
    ]
    // HPACK: literal header fields without indexing, names and values not compressed.
    var block: [UInt8] = []
    for (name, value) in headers {
      block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
      block += [UInt8(value.utf8.count)] + Array(value.utf8)
    }
    send(Self.frame(type: 1, flags: message == nil ? 5 : 4, stream: 1, block))
    if let message {
      send(Self.frame(type: 0, flags: 1, stream: 1, [0] + Self.bigEndian(message.count, bytes: 4) + message))
    }
  }

  /// Everything that the server sends, until `text` has come or it hangs up. Header values that are not compressed can be
  /// found so; gRPC core sends its messages and trailers plain.
  func receive(until text: String) async -> Bool {
    let (socket, wanted) = (socket, Array(text.utf8))
    // Not on the threads of Swift's pool: the server's handlers need them.
    return await withCheckedContinuation { continuation in
      DispatchQueue.global().async { continuation.resume(returning: Self.find(wanted, in: socket)) }
    }
  }

  private static func find(_ wanted: [UInt8], in socket: SharedDescriptor) -> Bool {
    var received: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
      if received.indices.contains(where: { received[$0...].starts(with: wanted) }) { return true }
      let count = read(socket.rawValue, &chunk, chunk.count)
      if count <= 0 { return false }
      received += chunk[..<count]
    }
  }

  private static func frame(type: UInt8, flags: UInt8, stream: Int, _ payload: [UInt8]) -> [UInt8] {
    bigEndian(payload.count, bytes: 3) + [type, flags] + bigEndian(stream, bytes: 4) + payload
  }

  private static func bigEndian(_ value: Int, bytes: Int) -> [UInt8] {
    (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}
